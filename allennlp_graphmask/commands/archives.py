"""What a command's argument ARCHIVE may be."""

import os

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.pretrained import PREFIX, pretrained_archive


def resolve_archive(name: str) -> str:
    """
    From what was written on the command line to what `load_archive` takes. This is the one place that knows names of archives
    other than paths and addresses.

    # Parameters

    name : `str`
        The path of an archive or of the folder of a training run, an address that AllenNLP can fetch, or `pretrained:NAME` for
        an archive that comes with the package.

    # Raises

    `ConfigurationError` if there is no such file.
    """
    if name.startswith(PREFIX):
        return pretrained_archive(name)
    if "://" not in name and not os.path.exists(name):
        raise ConfigurationError(
            f"The archive '{name}' does not exist. Name the model.tar.gz that `allennlp train` wrote, or the folder it is in."
        )
    return name
