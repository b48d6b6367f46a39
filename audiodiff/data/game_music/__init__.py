"""Free music from Debian's packages of games: found, its licences read, cut at beats, listed in `metadata.csv`."""
