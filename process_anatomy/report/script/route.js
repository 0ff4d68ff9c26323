// Places in the page as the part of its address behind "#", so that they can be linked to.
// #overview   #view/vads   #view/vads/17   #process/5212   #process/5212/threads   #glossary/term/vad
// What is sought goes along behind "?": q (words), pid, finding (least severity), columns=all.

const PLAIN = ["q", "pid", "finding", "columns"];

export function parseRoute(hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?", 2);
  const [page, ...rest] = path.split("/").map(decoded);
  const given = new URLSearchParams(query);
  const sought = Object.fromEntries(PLAIN.filter((name) => given.get(name)).map((name) => [name, given.get(name)]));
  return { page: page || "overview", rest, sought };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function routeText(page, rest = [], sought = {}) {
  const kept = Object.entries(sought).filter(([name, value]) => PLAIN.includes(name) && value);
  const query = new URLSearchParams(kept).toString();
  return `#${[page, ...rest].map((part) => encodeURIComponent(part)).join("/")}${query ? `?${query}` : ""}`;
}
