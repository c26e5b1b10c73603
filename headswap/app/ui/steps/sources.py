"""Where pictures come from: the marks that `picker.js` and `camera.js` bring to life.

Words and marks only; what a person chooses or films leaves through the zip upload beside them.
"""

from __future__ import annotations

from headswap.app.ui.widgets.icons import icon
from headswap.data.decode import ENDINGS

PICKER = f"""
<div class="hs-row heading">{icon("folder")}<h2>Drop a folder, a zip or loose pictures</h2></div>
<p class="hs-soft">One folder per class: its name becomes the name the network will
say. Large pictures are made smaller on your machine before they travel.</p>
<div class="hs-row choosers" data-endings="{",".join(ENDINGS)}">
<button class="btn folder" type="button">Choose a folder</button><input
type="file" webkitdirectory multiple hidden>
<button class="btn loose" type="button">Choose pictures</button></div>
<p class="hs-note packing" role="status" aria-live="polite"></p>
<dialog class="hs-dialog place" aria-labelledby="hs-place-title"><form method="dialog">
<h2 id="hs-place-title">There are <span class="there"></span> already</h2>
<p class="hs-soft">The new ones can stand beside them, or in their place. Undo brings the old ones
back.</p><div class="hs-row fixes"><button class="btn primary" value="add">Add beside them</button>
<button class="btn" value="replace">Put in their place</button>
<button class="btn quiet" value="">Not now</button></div></form></dialog>
<dialog class="hs-dialog name" aria-labelledby="hs-ask-title"><form method="dialog">
<h2 id="hs-ask-title"></h2>
<label class="field">The name of the class<input type="text" maxlength="80" autocomplete="off"
list="hs-ask-classes"></label><datalist id="hs-ask-classes"></datalist>
<div class="hs-row fixes"><button class="btn primary" value="add">Add them</button><button class="btn"
value="" formnovalidate>Not now</button></div></form></dialog>
"""
CAMERA = f"""
<h2>Camera</h2><p class="hs-soft">Hold the button, or the space bar, and move the thing about.</p>
<button class="btn open-camera" type="button">{icon("camera")}Open camera</button>
<dialog class="hs-dialog" aria-labelledby="hs-camera-title"><div class="hs-row between top">
<h2 id="hs-camera-title">Camera</h2><button class="btn quiet" type="button" data-close
aria-label="Close the camera">{icon("cross")}</button></div>
<label class="field">What is it?<input type="text" maxlength="80" autocomplete="off"
list="hs-camera-classes" placeholder="The name of the class"></label>
<datalist id="hs-camera-classes"></datalist>
<video muted playsinline aria-label="What the camera sees"></video>
<p class="hs-soft" role="status" aria-live="polite"></p><div class="strip" role="group"
aria-label="The pictures taken; press one to take it out"></div>
<div class="hs-row fixes"><button class="btn hold" type="button">Hold to take pictures</button>
<button class="btn primary add" type="button" disabled>Add pictures</button>
<button class="btn quiet away" type="button">Throw away</button></div></dialog>
"""
