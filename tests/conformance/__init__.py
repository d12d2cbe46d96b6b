"""Other people's numbers: cases with sources, each compared figure by figure."""
