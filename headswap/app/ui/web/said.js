// What the network says of the examples, written below them once it is known; of an older run, nothing is written.
// Both are drawn only when their tab is opened, either one first: it is tried again for a while.
const AGAIN_MS = 100, TRIES = 50;
function write(tries) {
  const said = element.querySelector('ul'), strip = document.querySelector('#hs-examples .examples');
  if (!said) return;
  if (strip?.dataset.run !== said.dataset.run) {
    if (tries) setTimeout(write, AGAIN_MS, tries - 1);
    return;
  }
  [...said.children].forEach((answer, i) => {
    const button = strip.children[i].querySelector('button');
    strip.children[i].querySelector('.told').replaceChildren(...answer.cloneNode(true).childNodes);
    button.setAttribute('aria-label', answer.dataset.spoken);
    if (said.dataset.chosen) button.setAttribute('aria-pressed', String(i === Number(said.dataset.chosen)));
  });
}
watch('value', () => requestAnimationFrame(() => write(TRIES)));
write(TRIES);
