"""The pictures of the report: rankings (Figure 3), attention (Figure 1), all that is known of one image."""
