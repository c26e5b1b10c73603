// Looks again: often while something moves, seldom while nothing does, never while the phone sleeps.
const main = document.querySelector('main'), key = main.dataset.key;
let moving = main.dataset.moving === 'yes', waiting = 0;
const show = async (answer) => {
  moving = answer.headers.get('x-moving') === 'yes';
  const html = await answer.text();
  if (answer.ok && html && html !== main.dataset.shown) {
    const mine = document.activeElement?.value;
    main.innerHTML = html;
    main.dataset.shown = html;
    if (mine) main.querySelector(`button[value="${CSS.escape(mine)}"]`)?.focus();
  }
  if (answer.status === 404) main.innerHTML = '<h1>It is over.</h1><p>The person who shared this has stopped sharing it.</p>';
};
const refresh = async () => {
  clearTimeout(waiting);
  if (!document.hidden) {
    try { await show(await fetch(`follow/now?key=${encodeURIComponent(key)}`)); } catch { /* the next look may do better */ }
  }
  waiting = setTimeout(refresh, moving ? 1500 : 4000);
};
main.addEventListener('submit', async (sent) => {
  sent.preventDefault();
  const body = new URLSearchParams({ key, choice: sent.submitter.value });
  const answer = await fetch('follow/vote', { method: 'POST', body, headers: { accept: 'text/plain' } });
  if (answer.ok) await show(answer); else refresh();
});
document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
waiting = setTimeout(refresh, 1500);
