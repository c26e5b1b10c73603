// Keeps the page when its server is gone; a new version of the page has a new name here. Pages of several
// networks may have one host, so the name holds where this one lies.
const HERE = "headswap " + self.registration.scope + " ";
const KEPT = HERE + "$version";
const FILES = $files;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(KEPT).then((kept) => kept.addAll(FILES)).then(() => self.skipWaiting()));
});
self.addEventListener("activate", (event) => {
  const old = (names) => names.filter((name) => name.startsWith(HERE) && name !== KEPT);
  const forget = caches.keys().then((names) => Promise.all(old(names).map((name) => caches.delete(name))));
  event.waitUntil(forget.then(() => self.clients.claim()));
});
self.addEventListener("fetch", (event) => {
  const kept = caches.open(KEPT).then((mine) => mine.match(event.request, { ignoreSearch: true }));
  event.respondWith(kept.then((found) => found ?? fetch(event.request)));
});
