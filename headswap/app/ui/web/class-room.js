// Class-room: big type and nothing folded away, on every page; this browser remembers it.
(() => {
  const root = document.documentElement, name = 'headswap-class-room';
  const isOn = () => { try { return localStorage.getItem(name) === 'on'; } catch { return false; } };
  const show = () => {
    root.classList.toggle('class-room', isOn());
    document.querySelectorAll('[data-classroom]').forEach((one) => one.setAttribute('aria-pressed', String(isOn())));
    if (!isOn()) return;
    document.querySelectorAll('.learn-page details:not([open]):not([data-closed])').forEach((one) => { one.open = true; });
    document.querySelectorAll('#hs-how > .label-wrap:not(.open)').forEach((one) => one.click());
  };
  document.addEventListener('click', (happened) => {
    if (!happened.target.closest('[data-classroom]')) return;
    try { localStorage.setItem(name, isOn() ? 'off' : 'on'); } catch { root.classList.toggle('class-room'); }
    show();
  });
  show();
  let waiting = 0;
  const again = () => { clearTimeout(waiting); waiting = setTimeout(show, 60); };
  new MutationObserver((changes) => {
    if (changes.some((one) => one.addedNodes.length)) again();
  }).observe(document, { childList: true, subtree: true });
})();
