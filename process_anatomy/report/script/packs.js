// The packed parts of the page: base64, gzip, JSON, each unpacked when it is first asked for.

const opened = new Map();

/** Bytes of base64. */
export function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const letters = atob(text);
  const found = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i += 1) found[i] = letters.charCodeAt(i);
  return found;
}

/** The value that was packed into a text. */
export async function unsealed(text) {
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

/** The part of the page with an id; the element is let go once it is unpacked. */
export function part(id) {
  if (!opened.has(id)) {
    const holder = document.getElementById(`pack-${id}`);
    opened.set(id, unsealed(holder.textContent.trim()));
    holder.textContent = "";
  }
  return opened.get(id);
}
