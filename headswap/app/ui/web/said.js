// What the network says of the examples, written below them once it is known; of an older run, nothing is written.
watch('value', () => requestAnimationFrame(() => {
  const said = element.querySelector('ul'), strip = document.querySelector('#hs-examples .examples');
  if (!said || strip?.dataset.run !== said.dataset.run) return;
  [...said.children].forEach((answer, i) => {
    const button = strip.children[i].querySelector('button');
    strip.children[i].querySelector('.told').replaceChildren(...answer.cloneNode(true).childNodes);
    button.setAttribute('aria-label', answer.dataset.spoken);
    if (said.dataset.chosen) button.setAttribute('aria-pressed', String(i === Number(said.dataset.chosen)));
  });
}));
