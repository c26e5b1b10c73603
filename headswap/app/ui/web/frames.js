// gradio counts the seconds that something takes at each frame, sixty times a second, and goes on when that is over: 7 % of
// a processor for every open page, for ever. Five times a second is enough for what it shows.
(() => {
  const everyFrame = window.requestAnimationFrame.bind(window);
  const countsSeconds = (call) => /performance\.now\(\)[^;]*\/\s*1e3/.test(call);
  window.requestAnimationFrame = (call) => (countsSeconds(call) ? setTimeout(everyFrame, 200, call) : everyFrame(call));
})();
