"""The local hub for programs that are not tests: `python -m tests.hub` prints its address and serves until stopped.

The token "hf_me" belongs to the user "me".
"""

import signal
import sys

from tests.hub.hub_server import running_hub


def main() -> None:
    """Serves until SIGTERM or Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with running_hub() as hub:
        sys.stdout.write(f"{hub.endpoint}\n")
        sys.stdout.flush()
        try:
            signal.pause()
        except KeyboardInterrupt:
            for repo_id in hub.repositories:
                sys.stderr.write(f"{repo_id}: {', '.join(sorted(hub.files(repo_id)))}\n")


if __name__ == "__main__":
    main()
