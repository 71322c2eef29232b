"""A solution of exercise 2, the order of a backward pass."""


def backward_order(root, parents):
    uses, stack = {root: 0}, [root]
    while stack:
        for p in parents[stack.pop()]:
            if p not in uses:
                uses[p] = 0
                stack.append(p)
            uses[p] += 1
    ready, order = [root], []
    while ready:
        node = ready.pop()
        order.append(node)
        for p in parents[node]:
            uses[p] -= 1
            if uses[p] == 0:  # its last user has reported, eq. (2.3)
                ready.append(p)
    return order
