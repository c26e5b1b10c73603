// For programs: `const net = await open("index.html"); const answer = await net.predict(blob);`
// `page` is the address of a page that headswap made, or its text.
export async function open(page) {
  let text = page;
  if (!String(page).trimStart().startsWith("<!doctype html>")) {
    const reply = await fetch(page);
    if (!reply.ok) throw new Error(`${page} cannot be fetched: ${reply.status}`);
    text = await reply.text();
  }
  return Net.start(partsOf(new DOMParser().parseFromString(text, "text/html")));
}
