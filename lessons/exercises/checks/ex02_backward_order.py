"""What exercise 2 knows: its hints, and what an order must be; graphs are tried from the smallest on."""

import itertools

from check import Case, Wrong, call, describe

HINTS = (
    "Count for each node how many users it has among the nodes that root was computed from (b + b uses b twice; count "
    "both). "
    "Only root has none.",
    "Keep a list of nodes whose users are all listed; at first that is [root]. Take one out, list it, and for each of its "
    "parents "
    "take one off the count. A parent whose count has reached 0 is ready. First you need the counts: walk the graph once, "
    "with a "
    "stack of your own and a set of what was seen.",
    "uses = {root: 0}; stack = [root]; while stack: for p in parents[stack.pop()]: if p not in uses: uses[p] = 0; "
    "stack.append(p); "
    "and then uses[p] += 1. After that: ready = [root]; order = []; while ready: take a node out, append it to order, and "
    "for each "
    "p of its parents uses[p] -= 1; if that gives 0, ready.append(p).",
)


class Graph(dict):
    """parents, counting how often it is asked, so that a walk along every path is stopped."""
    asked, limit = 0, 10**9

    def __getitem__(self, node):
        self.asked += 1
        if self.asked > self.limit:
            raise Wrong(f"for a graph of {len(self)} nodes your code asked for parents more than {self.limit} times.\n=> It walks along "
                        f"every path from root, and with each doubling b = a + a their number doubles: remember what was seen.")
        return super().__getitem__(node)

    get = lambda self, node, default=None: self[node] if node in self else default


def small_graphs():
    """Every graph of 2 to 4 nodes, with up to two parents each, whose names are no help in ordering them."""
    for n in (2, 3, 4):
        names = ["c", "a", "d", "b"][:n]  # in the order of their making
        choices = [[()], *([(), *((p,) for p in names[:k]),
                            *itertools.combinations_with_replacement(names[:k], 2)] for k in range(1, n))]
        for parents in itertools.product(*choices):
            if parents[-1]:
                graph = dict(zip(names, map(list, parents)))
                yield graph, names[-1]
                yield {name: graph[name] for name in sorted(graph)}, names[-1]
    yield {"a": []}, "a"


class Forward(Wrong):
    """The whole order is reversed."""


def ancestors(root, parents):
    found, stack = {root}, [root]
    while stack:
        new = {p for p in dict.__getitem__(parents, stack.pop())} - found
        found |= new
        stack += new
    return found


def text(parents, root):
    made = [f"{node} = {' + '.join(p) if len(p) > 1 else f'f({p[0]})'}" for node, p in parents.items() if p]
    return f"{', '.join(made) or 'a single node'}; root is {root}"


def judge(answer, parents, root, shown):
    result = call(answer, Case({"root": root, "parents": Graph(parents)}))
    if not isinstance(result, (list, tuple)):
        raise Wrong(f"it must return a list of nodes, and it returned {describe(result)}{shown}")
    result = list(result)
    where = f"{shown}\n  your order: {' '.join(map(str, result))}" if len(result) < 12 else shown
    odd = [node for node in result if not isinstance(node, str)]
    if odd:
        raise Wrong(f"the list must hold nodes, such as {root!r}, and it holds {describe(odd[0])}{where}")
    wanted = ancestors(root, parents)
    at = {node: i for i, node in enumerate(result)}
    unknown, strangers, missing = set(at) - set(parents), set(at) - wanted, [n for n in parents if n in wanted and n not in at]
    twice = [node for i, node in enumerate(result) if at[node] > i]
    before = lambda user, p: user in at and p in at and at[user] < at[p]
    uses = [(user, p) for user in parents if user in wanted for p in parents[user]]
    bad = [(user, p) for user, p in uses if not before(user, p)]
    if unknown:
        raise Wrong(f"{sorted(unknown)[0]!r} is no node of the graph{where}")
    if missing:
        raise Wrong(f"root, {root}, is not listed{where}\n=> It belongs there, as the first one.") if root in missing else \
            Wrong(f"{', '.join(missing[:4])} {'is' if len(missing) == 1 else 'are'} not listed, and {root} was computed from "
                    f"{'it' if len(missing) == 1 else 'them'}{where}"
                    + "\n=> Leaves belong there, too." * all(not parents[n] for n in missing))
    if twice:
        raise Wrong(f"{twice[0]} is listed {result.count(twice[0])} times{where}\n=> It would pass its gradient on again each time. "
                    f"List a node once, when the last of its users is listed.")
    if strangers:
        raise Wrong(f"{', '.join(sorted(strangers)[:4])} should not be listed, for {root} was not computed from it{where}\n"
                    f"=> Begin at root and follow parents; do not go through all the keys.")
    if bad and not any(before(user, p) for user, p in uses):
        raise Forward(f"the order is that of the forward pass, oldest first; backward begins with root{where}\n=> Reverse it.")
    if bad:
        user, p = bad[0]
        raise Wrong(f"{p} stands before {user}, and {user} uses {p}{where}\n=> {p} passes its gradient on before the share of {user} "
                    f"has arrived, so that everything behind {p} gets too little. {blame(parents, root, result)}")
    return result


def blame(parents, root, order):
    """Which well-known walk gives this order?"""
    breadth, depth = [root], []
    for node in breadth:
        breadth += [p for p in dict.fromkeys(parents[node]) if p not in breadth]
    stack = [root]
    while stack:
        node = stack.pop()
        if node not in depth:
            depth.append(node)
            stack += parents[node]
    preorder, stack = [], [root]
    while stack:
        node = stack.pop()
        if node not in preorder:
            preorder.append(node)
            stack += parents[node][::-1]
    for walk, name in ((breadth, "Walking breadth first (nearest to root first)"), (preorder, "Walking depth first"),
                       (depth, "Walking depth first")):
        if order == walk:
            return f"{name} lists a node at its first user; it must wait for its last."
    return "Does it wait until its last user is listed?"


def check(answer):
    n, forward = 0, []
    for parents, root in small_graphs():
        try:
            judge(answer, parents, root, f"\n  the smallest such graph: {text(parents, root)}")
        except Forward as message:
            forward.append(message)  # to be said only if nothing else is wrong in a larger graph
        n += 1
    if forward:
        raise forward[0]
    ladder = {"n0": [], **{f"n{k + 1}": [f"n{k}", f"n{k}"] for k in range(60)}}
    Graph.limit = 10_000
    try:
        judge(answer, ladder, "n60", "\n  for 60 doublings, n1 = n0 + n0, n2 = n1 + n1, ...")
        Graph.limit = 10**9
        chain = {"n0": [], **{f"n{k + 1}": [f"n{k}"] for k in range(5_000)}}
        judge(answer, chain, "n5000", "\n  for a chain of 5,000 nodes, n1 = f(n0), n2 = f(n1), ...")
    except Wrong as message:
        if "RecursionError" in str(message):
            raise Wrong(f"right for all {n} small graphs, but for 5,000 nodes in a row it stops with RecursionError.\n=> A function that "
                        f"calls itself once per node goes as deep as the graph. Keep a list of what is still to do, and use a loop.") from None
        raise
    finally:
        Graph.limit = 10**9
    return f"right: the order of all {n} small graphs, of 60 doublings, and of 5,000 nodes in a row"
