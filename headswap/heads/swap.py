"""Replace the classifier head of a network, in place and all or nothing.

Flow:  Network --find_head--> HeadSite --swap_head--> the same Network with new classes + SwapRecord

A site holds a tuple of paths: some networks have several heads (an auxiliary branch,
a distillation token). All are replaced, or none; the result is proved before it is
given, and taken back when the proof fails.

Knows modules and tensors only: no files, no devices, no user interface.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import nn

from headswap.errors import BadSetting, SwapFailed
from headswap.heads.build import ClassDimension, Edits, NewHead, choices_for, resize
from headswap.heads.detect import Located, locate, locate_head
from headswap.heads.site import HeadSite
from headswap.heads.unwrap import Target
from headswap.heads.verify import Claim, prove


@dataclass(frozen=True, eq=False, kw_only=True)
class SwapRecord:
    """A head that was replaced, and the way back."""

    site: HeadSite  # as it is now
    old_site: HeadSite  # as it was before
    _edits: Edits = field(repr=False)

    def undo(self) -> None:
        """Bring the old head back, bit for bit: the very same parameters."""
        self._edits.revert()


def swap_head(
    target: Target,
    num_classes: int,
    *,
    input_size: tuple[int, int, int] | None = None,
    head: str | None = None,
    site: HeadSite | None = None,
    init_std: float = 0.01,
) -> SwapRecord:
    """Give a network a new head for another number of classes, in place.

    Build the optimizer after this: the head's parameters are new objects.

    Args:
        target: a Network or any nn.Module.
        num_classes: 1 or more; 1 is a single logit.
        input_size: (channels, height, width); None: from metadata, or tried out.
        head: the path of the layer to take, such as "fc"; None: found.
        site: what `find_head` said of this network before; saves the search.
        init_std: spread of the new weights (normal, mean 0); new biases are 0.

    Returns:
        The record with the new site; `undo()` brings the old head back.

    Raises:
        HeadNotFound: it is no classifier, or the head cannot be told for sure.
        SwapFailed: the new head did not prove itself; the network is as it was.
        BadSetting: a count, size or spread that cannot be.
    """
    _checked(num_classes, init_std)
    if site is not None:
        located = replace(locate(target, input_size=site.input_size, paths=site.all_paths), site=site)
    else:
        located = locate_head(target, input_size=input_size, head=head)
    return swap_located(located, num_classes, init_std=init_std)


def swap_located(located: Located, num_classes: int, *, init_std: float = 0.01) -> SwapRecord:
    """The same for a head that `locate_head` has just found in this network, which is then not run again."""
    edits = _resize_and_prove(located, _checked(num_classes, init_std))
    old = located.site
    layers, aux = (
        tuple(replace(layer, out_features=num_classes) for layer in some)
        for some in (old.layers, old.aux_layers)
    )
    now = replace(old, num_classes=num_classes, layers=layers, aux_layers=aux)
    return SwapRecord(site=now, old_site=old, _edits=edits)


def _checked(num_classes: int, init_std: float) -> NewHead:
    if not isinstance(num_classes, int) or isinstance(num_classes, bool) or num_classes < 1:
        raise BadSetting(f"num_classes is {num_classes!r}.", remedy="Choose a whole number of 1 or more.")
    if not 0 <= init_std < float("inf"):
        raise BadSetting(f"init_std is {init_std!r}.", remedy="Choose 0 or more, such as 0.01.")
    return NewHead(num_classes=num_classes, init_std=init_std)


def _resize_and_prove(located: Located, new: NewHead) -> Edits:
    """The first reading of the plan that proves itself; if none does, why the likeliest did not."""
    claim = Claim(
        plan=located.plan,
        num_classes=new.num_classes,
        eval_size=located.site.input_size,
        train_size=located.train_size,
    )
    failures: list[SwapFailed] = []
    for choice in choices_for(located.module, located.plan):
        try:
            return _proved(located.module, claim, choice, new)
        except SwapFailed as failure:
            failures.append(failure)
    raise failures[0]  # a plan has at least one reading


def _proved(module: nn.Module, claim: Claim, choice: ClassDimension, new: NewHead) -> Edits:
    try:
        edits = resize(module, claim.plan, choice, new)
    except (RuntimeError, ValueError) as error:  # a layer that computes its weight may not take the new shape
        raise SwapFailed(
            f"The head cannot be made for {new.num_classes} classes: {str(error).rstrip('.')}.",
            remedy="The network is as it was. Choose another number of classes, or point at another layer.",
        ) from error
    try:
        prove(module, claim)
    except BaseException:
        edits.revert()
        raise
    return edits
