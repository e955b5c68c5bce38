from collections import UserDict
from typing import Any, Dict


class OpaqueMetadata(UserDict[str, Any]):
    """
    Metadata of an instance, to be used as a dictionary. AllenNLP looks for tensors in all dictionaries and lists of a batch, each
    time that it moves one. It does not look into objects of other types. For 64 sentences this search takes 10 milliseconds;
    for small graphs a third of the time that training takes.
    """

    def to_json(self) -> Dict[str, Any]:
        """AllenNLP's `sanitize` calls this."""
        return dict(self.data)
