"""Shared set-up of the comparisons with live timm and transformers."""

import sys
import types

# torchvision's compiled operators do not load beside a CPU build of torch, and its registrations fail at import. The
# references never call those operators, so an empty module in place of the registrations is enough.
sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations"))
