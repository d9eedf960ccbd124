"""Rules that the source keeps as a whole: who may import whom, what stays where, what is tested."""
