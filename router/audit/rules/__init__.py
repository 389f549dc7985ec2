"""The rules that stored data has to keep to, one file for each subject."""
