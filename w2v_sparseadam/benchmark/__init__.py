"""What w2v-bench measures."""
