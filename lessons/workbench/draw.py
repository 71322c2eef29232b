"""What the lessons draw with: sheets of pictures, maps of digits, graphs of computations."""

from collections import Counter

import numpy as np

import minivae as mv


def sheet(ax, rows, labels=(), title=None, shape=None):
    """Rows of pictures (rows, n, D), each in a thin border; black is 0, white 1."""
    rows = np.asarray(rows)
    n_rows, n, d = rows.shape
    height, width = shape or (int(d**0.5), int(d**0.5))
    cells = np.pad(
        rows.reshape(n_rows, n, height, width),
        ((0, 0), (0, 0), (1, 1), (1, 1)),
        constant_values=0.5,
    )
    picture = cells.transpose(0, 2, 1, 3).reshape(n_rows * (height + 2), n * (width + 2))
    ax.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set(
        xticks=[], yticks=(np.arange(len(labels)) + 0.5) * (height + 2) - 0.5, yticklabels=labels
    )
    ax.tick_params(length=0)
    if title:
        ax.set_title(title)


def digit_map(ax, code, y, prior=True, size=22):
    """Each code (n, Z) as its digit, over latents 0 and 1; dashed: two std of the prior."""
    import matplotlib.pyplot as plt

    for digit in np.unique(y):
        ax.scatter(
            *code[y == digit, :2].T,
            marker=f"${digit}$",
            s=size,
            linewidths=0.2,
            color=mv.plot.COLOURS[digit],
        )
    reach = 1.05 * max(2.2, float(np.abs(code[:, :2]).max()))
    if prior:
        ax.add_patch(plt.Circle((0, 0), 2, fill=False, color="0.4", linestyle="--"))
    ax.set(
        xlim=(-reach, reach),
        ylim=(-reach, reach),
        aspect="equal",
        xlabel="latent 0",
        ylabel="latent 1",
    )


# Graphs of computations: a node stands above the nodes that it was computed from.


def tree_layout(root, parents):
    """{node: (x, row)}: a node stands one row below the lowest of its users."""
    rows = {root: 0}
    stack = [root]
    while stack:
        node = stack.pop()
        for parent in parents(node):
            if rows.get(parent, -1) <= rows[node]:
                rows[parent] = rows[node] + 1
                stack.append(parent)
    width = Counter(rows.values())
    seen = Counter()
    place = {}
    for node, row in rows.items():
        place[node] = (seen[row] - (width[row] - 1) / 2, row)
        seen[row] += 1
    return place


def graph(ax, root, parents, label, title, fontsize=9):
    """Draw what root was computed from.

    parents(node) lists a node's parents, label(node) is the text in its box; leaves are orange.
    """
    place = tree_layout(root, parents)
    for node, (x, row) in place.items():
        for k, parent in enumerate(parents(node)):
            bend = 0
            if sum(p is parent for p in parents(node)) > 1:  # used twice: both edges are to be seen
                bend = (0.35, -0.35)[k]
            style = {
                "arrowstyle": "->",
                "color": "0.45",
                "shrinkA": 26,
                "shrinkB": 26,
                "connectionstyle": f"arc3,rad={bend}",
            }
            ax.annotate("", place[parent], (x, row), arrowprops=style)
        fill, edge = "#DCEBF6", mv.plot.COLOURS[0]
        if not parents(node):
            fill, edge = "#FCE9D9", mv.plot.COLOURS[1]
        ax.text(
            x,
            row,
            label(node),
            ha="center",
            va="center",
            fontsize=fontsize,
            bbox={"boxstyle": "round,pad=0.35", "fc": fill, "ec": edge},
        )
    across, down = zip(*place.values())
    ax.set(xlim=(min(across) - 0.7, max(across) + 0.7), ylim=(max(down) + 0.5, -0.5))
    ax.set_title(title)
    ax.axis("off")
