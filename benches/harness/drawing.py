"""What the drawings of the documentation share: they bring their own ground, so they are readable on a light page and a dark one."""

from html import escape

# Two sets of colours that differ in lightness too, for those who cannot tell the hues apart.
STYLE = """\
.ground{fill:#fff;stroke:#d0d7de}.text{fill:#1f2328}.faint{fill:#59636e}.rule{stroke:#d0d7de}
.other{fill:#8c959f}.ours{fill:#0550ae}.spread{stroke:#1f2328}
.line0{stroke:#0550ae;fill:#0550ae}.line1{stroke:#bc4c00;fill:#bc4c00}
@media(prefers-color-scheme:dark){
.ground{fill:#0d1117;stroke:#3d444d}.text{fill:#f0f6fc}.faint{fill:#9198a1}.rule{stroke:#3d444d}
.other{fill:#656c76}.ours{fill:#4493f8}.spread{stroke:#f0f6fc}
.line0{stroke:#4493f8;fill:#4493f8}.line1{stroke:#f0883e;fill:#f0883e}
}"""
FONTS = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', sans-serif"


def drawing(width, height, title, description, parts):
    """A whole drawing; title and description are what a reader without eyes for it gets."""
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-labelledby="title description" font-family="{FONTS}" font-size="13">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="description">{escape(description)}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="ground" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="6"/>',
        *parts,
        "</svg>",
        "",
    ])


def text(x, y, words, kind="text", anchor="start", **more):
    """Words at a place."""
    attributes = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{attributes}>{escape(words)}</text>'


def line(x1, y1, x2, y2, kind="rule"):
    """A thin line."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
