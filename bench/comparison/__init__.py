"""The table "One node": this program and its peers, measured in turns. `bench/compare` runs it."""
