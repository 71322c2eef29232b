"""Exercise 2, the order of a backward pass: hints, graphs, what an order must be, walks by name."""

import itertools

import numpy as np

from machinery.cases import Case, Wrong, table
from machinery.running import call
from machinery.showing import describe

HINTS = (
    """Count for each node how many users it has among the nodes that root was computed from (b + b
    uses b twice; count both). Only root has none.""",
    """Keep a list of nodes whose users are all listed; at first that is [root]. Take one out, list
    it, and for each of its parents take one off the count. A parent whose count has reached 0 is
    ready. First you need the counts: walk the graph once, with a stack of your own and a set of
    what was seen.""",
    """uses = {root: 0}; stack = [root]; while stack: for p in parents[stack.pop()]: if p not in
    uses: uses[p] = 0; stack.append(p); and then uses[p] += 1. After that: ready = [root]; order =
    []; while ready: take a node out, append it to order, and for each p of its parents uses[p] -=
    1; if that gives 0, ready.append(p).""",
)

CHAIN = 3_000
MOST_QUESTIONS = 1_000_000


# The graphs, from the smallest on.


def small_graphs():
    """(root, parents) for every graph of 1 to 4 nodes with up to three parents each; names are no
    help."""
    yield "a", {"a": []}
    for n in (2, 3, 4):
        names = ["c", "a", "d", "b"][:n]  # in the order of their making
        choices = []
        for k in range(n):
            choices.append([p for m in range(4) for p in itertools.product(names[:k], repeat=m)])
        for parents in itertools.product(*choices):
            if parents[-1]:
                graph = dict(zip(names, map(list, parents)))
                yield names[-1], {name: graph[name] for name in sorted(graph)}


def larger_graphs(rng):
    """Graphs of 5 to 9 nodes, some with three parents, whose root need not be the last that was
    made."""
    for _ in range(300):
        n = int(rng.integers(5, 10))
        names = [f"n{i}" for i in rng.permutation(n)]
        graph = {}
        for k, name in enumerate(names):
            count = int(rng.integers(0, 4)) if k else 0
            graph[name] = [names[i] for i in rng.integers(0, k, size=count)] if k else []
        root = names[int(rng.integers(n // 2, n))]
        shuffled = [names[i] for i in rng.permutation(n)]
        yield root, {name: graph[name] for name in shuffled}


class Graph(dict):
    """parents, counting how often it is asked, so that a walk along every path is stopped."""

    asked = 0

    def __getitem__(self, node):
        self.asked += 1
        if self.asked > MOST_QUESTIONS:
            raise Wrong("too many questions")
        return super().__getitem__(node)

    def get(self, node, default=None):
        return self[node] if node in self else default


# What an order must be.


def needed(root, parents):
    """The nodes that root was computed from, root included."""
    found, stack = {root}, [root]
    while stack:
        new = set(parents[stack.pop()]) - found
        found |= new
        stack += new
    return found


def fault(order, root, parents):
    """(kind, sentence) of the first thing that is wrong with an order, or None."""
    wanted = needed(root, parents)
    position = {node: i for i, node in enumerate(order)}
    unknown = [node for node in order if node not in parents]
    if unknown:
        return "unknown", f"{unknown[0]!r} is no node of the graph"
    missing = [node for node in parents if node in wanted and node not in position]
    if root in missing:
        return "missing", f"root, {root}, is not listed, and it belongs there, as the first one"
    if missing:
        return "missing", f"{missing[0]} is not listed, and {root} was computed from it"
    twice = [node for i, node in enumerate(order) if position[node] > i]
    if twice:
        return "twice", (
            f"{twice[0]} is listed {order.count(twice[0])} times, and would pass its "
            f"gradient on each time: list "
            f"it once, when the last of its users is listed"
        )
    strangers = [node for node in order if node not in wanted]
    if strangers:
        text = f"{strangers[0]} should not be listed, for {root} was not computed from it"
        return "stranger", text
    for user in order:
        for p in parents[user]:
            if position[p] < position[user]:
                return "order", (
                    f"{p} stands before {user}, and {user} uses {p}: so {p} passes "
                    f"its gradient on before the share "
                    f"of {user} has arrived"
                )
    return None


# Walks by name: an answer that gives the same in every graph is this walk.


def breadth_first(root, parents):
    order = [root]
    for node in order:
        order += [p for p in dict.fromkeys(parents[node]) if p not in order]
    return order


def depth_first(root, parents, last_first=False):
    order, stack = [], [root]
    while stack:
        node = stack.pop()
        if node not in order:
            order.append(node)
            stack += parents[node] if last_first else parents[node][::-1]
    return order


def every_path(root, parents):
    return [root] + [node for p in parents[root] for node in every_path(p, parents)]


def breadth_every_path(root, parents):
    order = [root]
    for node in order:
        order += parents[node]
    return order


# A formula, and what is said if it is true of the answer in all graphs.
ALWAYS = table("""
order
    order == breadth_first(root, parents)
        this is the walk breadth first (nearest to root first), which lists a node at its first
        user; it must wait for its last
    order == depth_first(root, parents)
        this is the walk depth first, which lists a node at its first user; it must wait for its
        last
    order == depth_first(root, parents, last_first=True)
        this is the walk depth first, from the last parent on, which lists a node at its first
        user; it must wait for its last
    order == every_path(root, parents)
        this walks along every path from root, and lists a node at each visit: remember what was
        listed
    order == breadth_every_path(root, parents)
        this walks along every path from root, nearest first, and lists a node at each visit:
        remember what was listed
    order == list(parents)
        these are the keys of parents as they stand: walk from root
    order == list(parents)[::-1]
        these are the keys of parents in reverse: walk from root
    order == sorted(needed(root, parents))
        these are the right nodes, sorted by name: names say nothing of the order
    order == [root]
        root alone is listed
    order == [root, *parents[root]]
        these are root and its own parents: go on to theirs
    order == []
        the list is empty
    fault(order[::-1], root, parents) is None
        the order is right when it is reversed
    fault([root, *order], root, parents) is None
        the order is right once root is put in front
    set(order) == {node for node in needed(root, parents) if parents[node]}
        the nodes that have parents are listed, and no leaf is: leaves belong there, too
    len(needed(root, parents) - set(order)) == 1
        exactly one node is missing
    fault(order, root, parents) is None or set(order) == needed(root, parents) and twice(order)
        the right nodes are listed, and at least one of them twice where it is wrong
""")["order"]

# A formula on a graph, and the words for graphs of which it is not true.
WITHOUT = table("""
parents
    any(twice(p) for p in parents.values())
        no node uses another one twice, as b + b does
    twice(sum(parents.values(), []))
        no node is used twice
    any(len(p) > 2 for p in parents.values())
        no node has more than two parents
    any(len(p) > 1 for p in parents.values())
        no node has more than one parent
""")["parents"]


def twice(nodes):
    return len(set(nodes)) < len(nodes)


def is_so(formula, order, root, parents):
    return eval(formula, globals() | {"order": order, "root": root, "parents": parents})


# The check.


def check(answer):
    graphs = list(small_graphs()) + list(larger_graphs(np.random.default_rng(1)))
    orders = [_order(answer, root, parents) for root, parents in graphs]
    wrong = [k for k, (root, parents) in enumerate(graphs) if fault(orders[k], root, parents)]
    if wrong:
        raise Wrong(_explained(graphs, orders, wrong))
    _ladder(answer)
    _chain(answer)
    return (
        f"right: the order of {len(graphs)} graphs, of 60 doublings, and of {CHAIN:,} nodes in "
        f"a row"
    )


def _order(answer, root, parents, about=""):
    """The learner's order as a list of nodes."""
    shown = about or f"for {_text(root, parents)}"
    graph = Graph(parents)
    result = call(answer, Case({"root": root, "parents": graph}))
    if not isinstance(result, (list, tuple)):
        raise Wrong(f"it must return a list of nodes, and it returned {describe(result)}\n{shown}")
    odd = [node for node in result if not isinstance(node, str)]
    if odd:
        raise Wrong(
            f"the list must hold nodes, such as {root!r}, and it holds "
            f"{describe(odd[0])}\n{shown}"
        )
    return list(result)


def _text(root, parents):
    made = []
    for node, p in parents.items():
        if p:
            made.append(f"{node} = {' + '.join(p) if len(p) > 1 else f'f({p[0]})'}")
    return f"{', '.join(made) or 'a single node'}; root is {root}"


def _explained(graphs, orders, wrong):
    """The smallest graph of more than one node where it is wrong, and what is so in all graphs."""
    first = next((k for k in wrong if len(graphs[k][1]) > 1), wrong[0])
    root, parents = graphs[first]
    lines = [
        f"the smallest graph where it is wrong: {_text(root, parents)}",
        f"  your order: {' '.join(orders[first])}",
        f"=> {fault(orders[first], root, parents)[1]}.",
    ]
    everything = [(order, *graph) for order, graph in zip(orders, graphs)]
    for formula, sentence in ALWAYS:
        if all(is_so(formula, *one) for one in everything):
            return "\n".join([*lines, f"=> In all {len(graphs)} graphs {sentence}."])
    for formula, words in WITHOUT:
        if all(is_so(formula, *everything[k]) for k in wrong):
            return "\n".join([*lines, f"=> It is right in every one of them in which {words}."])
    return "\n".join(lines)


def _ladder(answer):
    """60 doublings: few nodes, and 2^60 paths."""
    about = "for 60 doublings, n1 = n0 + n0, n2 = n1 + n1, ..."
    ladder = {"n0": [], **{f"n{k + 1}": [f"n{k}", f"n{k}"] for k in range(60)}}
    graph = Graph(ladder)
    try:
        result = call(answer, Case({"root": "n60", "parents": graph}))
    except Wrong as message:
        if "too many questions" not in str(message):
            raise
        result = None
    if result is None or _most_asked(graph):
        raise Wrong(
            f"right for all smaller graphs; {about} (61 nodes) your code asks for parents "
            f"more than {MOST_QUESTIONS:,} "
            f"times.\n=> It walks along every path from root, and each doubling doubles "
            f"their number: remember what "
            f"was seen."
        )
    _long("n60", ladder, list(result), about)


def _most_asked(graph):
    """Also where the answer caught the exception that stopped it."""
    return graph.asked > MOST_QUESTIONS


def _chain(answer):
    about = f"for a chain of {CHAIN:,} nodes, n1 = f(n0), n2 = f(n1), ..."
    chain = {"n0": [], **{f"n{k + 1}": [f"n{k}"] for k in range(CHAIN)}}
    try:
        result = _order(answer, f"n{CHAIN}", chain, about)
    except Wrong as message:
        if "RecursionError" not in str(message):
            raise
        raise Wrong(
            f"right for all small graphs, but for {CHAIN:,} nodes in a row it stops with "
            f"RecursionError.\n=> A function "
            f"that calls itself once per node goes as deep as the graph. Keep a list of "
            f"what is still to do, and use "
            f"a loop."
        ) from None
    _long(f"n{CHAIN}", chain, result, about)


def _long(root, parents, result, about):
    found = fault(result, root, parents)
    if found:
        raise Wrong(f"right for all smaller graphs, and wrong {about}\n=> {found[1]}.")
