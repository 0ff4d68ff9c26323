// The processes as a tree, as it is drawn on paper: boxes, each below its parent, hidden ones dashed.

/** Nodes from rows: {pid, row, children}; who has no parent among the rows is a root. No circle, whatever ids say. */
export function forest(rows) {
  const nodes = rows.map((row) => ({ ...row, children: [] }));
  const byPid = new Map();
  for (const node of nodes) if (!byPid.has(node.pid)) byPid.set(node.pid, node);
  const roots = [];
  for (const node of nodes) {
    const parent = node.parent === null ? undefined : byPid.get(node.parent);
    node.above = parent && parent !== node && !under(parent, node) ? parent : null;
    (node.above ? node.above.children : roots).push(node);
  }
  return roots;
}

function under(node, other) {
  for (let above = node; above; above = above.above) if (above === other) return true;
  return false;
}
