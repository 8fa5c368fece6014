"""What happens to the joints of a clip between the raw recording and a batch."""
