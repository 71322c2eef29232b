"""What the lessons draw with: sheets of pictures, maps of digits, graphs of computations."""

from collections import Counter

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv


def sheet(ax, rows, labels=(), title="", shape=None):
    """Rows of pictures (rows, n, D), each in a thin border; black is 0, white 1."""
    rows = np.asarray(rows)
    n_rows, n, d = rows.shape
    height, width = shape or (int(d**0.5), int(d**0.5))
    pictures = rows.reshape(n_rows, n, height, width)
    framed = np.pad(pictures, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=0.5)
    height, width = height + 2, width + 2
    whole = framed.transpose(0, 2, 1, 3).reshape(n_rows * height, n * width)
    ax.imshow(whole, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set(title=title, xticks=[], yticks=(np.arange(len(labels)) + 0.5) * height - 0.5)
    ax.set_yticklabels(labels)
    ax.tick_params(length=0)


def digit_map(ax, code, y, size=22):
    """Each code (n, Z) as its digit, over latents 0 and 1; dashed: two std of N(0, I)."""
    for digit in np.unique(y):
        ax.scatter(*code[y == digit, :2].T, marker=f"${digit}$", s=size, linewidths=0.2,
                   color=mv.plot.COLOURS[digit])
    ax.add_patch(plt.Circle((0, 0), 2, fill=False, color="0.4", linestyle="--"))
    reach = 1.05 * max(2.2, float(np.abs(code[:, :2]).max()))
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    ax.set(xlabel="latent 0", ylabel="latent 1")


def graph(ax, root, parents, label, title, fontsize=9):
    """Draw what root was computed from, a node above its parents; leaves are orange.

    parents(node) lists a node's parents, label(node) is the text in its box.
    """
    place = _places(root, parents)
    for node, (x, row) in place.items():
        for k, parent in enumerate(parents(node)):
            bend = 0
            if sum(p is parent for p in parents(node)) > 1:  # used twice: both edges are to be seen
                bend = (0.35, -0.35)[k]
            arrow = {"arrowstyle": "->", "color": "0.45", "shrinkA": 26, "shrinkB": 26}
            arrow["connectionstyle"] = f"arc3,rad={bend}"
            ax.annotate("", place[parent], (x, row), arrowprops=arrow)
        fill, edge = "#DCEBF6", mv.plot.COLOURS[0]
        if not parents(node):
            fill, edge = "#FCE9D9", mv.plot.COLOURS[1]
        box = {"boxstyle": "round,pad=0.35", "fc": fill, "ec": edge}
        ax.text(x, row, label(node), ha="center", va="center", fontsize=fontsize, bbox=box)
    across, down = zip(*place.values())
    ax.set(xlim=(min(across) - 0.7, max(across) + 0.7), ylim=(max(down) + 0.5, -0.5), title=title)
    ax.axis("off")


def _places(root, parents):
    """{node: (x, row)}: a node stands one row below the lowest of its users."""
    rows = {root: 0}
    stack = [root]
    while stack:
        node = stack.pop()
        for parent in parents(node):
            if rows.get(parent, -1) <= rows[node]:
                rows[parent] = rows[node] + 1
                stack.append(parent)
    width, seen, place = Counter(rows.values()), Counter(), {}
    for node, row in rows.items():
        place[node] = (seen[row] - (width[row] - 1) / 2, row)
        seen[row] += 1
    return place
