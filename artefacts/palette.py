"""Colours of parts, the same in all pictures: eight that colour-blind people tell apart (Okabe and Ito), then more."""

PART_COLOURS = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
    (150, 75, 0), (120, 220, 120), (180, 130, 255), (255, 90, 90), (0, 200, 200), (255, 105, 180), (154, 205, 50),
)  # fmt: skip
