# Its types differ from one version to the next.
from typing import Any

def __getattr__(name: str) -> Any: ...

LogLocator: Any
MaxNLocator: Any
NullFormatter: Any
FixedLocator: Any
FuncFormatter: Any
