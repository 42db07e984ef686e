//! A small markup for the prose of manual pages, turned into roff.
//!
//! `# HEADING`, `## subheading`, paragraphs, `@ term` with its text below, and fenced blocks that
//! are shown verbatim. Within a line, `` `bold` `` is typed literally and `*italic*` is
//! replaced by the reader.

use roff::{Inline, Roff, bold, italic, roman};

/// A part of a page, with roff's preamble.
pub fn render(text: &str) -> String {
    let mut roff = Roff::new();
    let mut lines = text.lines();
    let mut paragraph: Vec<&str> = Vec::new();
    // Right after a heading or a term, a paragraph needs no space before it.
    let mut opened = true;
    while let Some(line) = lines.next() {
        let special = line.is_empty() || line.starts_with(['#', '@']) || line.starts_with("```");
        if !special {
            paragraph.push(line.trim());
            continue;
        }
        if !paragraph.is_empty() {
            flush(&mut roff, &mut paragraph, opened);
            opened = false;
        }
        if let Some(heading) = line.strip_prefix("# ") {
            roff.control("SH", [heading]);
            opened = true;
        } else if let Some(heading) = line.strip_prefix("## ") {
            roff.control("SS", [heading]);
            opened = true;
        } else if let Some(term) = line.strip_prefix("@ ") {
            roff.control("TP", []).text(inlines(term));
            opened = true;
        } else if line.starts_with("```") {
            // Lines that are neither filled nor marked up.
            roff.control("PP", []).control("RS", ["4"]).control("nf", []);
            for line in lines.by_ref().take_while(|line| !line.starts_with("```")) {
                roff.text([roman(line)]);
            }
            roff.control("fi", []).control("RE", []);
            opened = false;
        }
    }
    if !paragraph.is_empty() {
        flush(&mut roff, &mut paragraph, opened);
    }
    roff.render()
}

fn flush(roff: &mut Roff, paragraph: &mut Vec<&str>, opened: bool) {
    if !opened {
        roff.control("PP", []);
    }
    roff.text(inlines(&paragraph.join(" ")));
    paragraph.clear();
}

fn inlines(text: &str) -> Vec<Inline> {
    let mut inlines = Vec::new();
    for (i, part) in text.split('`').enumerate() {
        if i % 2 == 1 {
            inlines.push(bold(part));
            continue;
        }
        for (j, part) in part.split('*').enumerate() {
            inlines.push(if j % 2 == 1 { italic(part) } else { roman(part) });
        }
    }
    inlines.retain(|inline| !matches!(inline, Inline::Roman(text) if text.is_empty()));
    inlines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_roff() {
        let rendered = render("# NAME\ntwo\nlines\n\nmore `-x` *N*\n@ term\ntext\n```\n.a  b\n```\nend");
        let expected = ".SH NAME\ntwo lines\n.PP\nmore \\fB\\-x\\fR \\fIN\\fR\n.TP\nterm\ntext\n\
            .PP\n.RS 4\n.nf\n\\&.a  b\n.fi\n.RE\n.PP\nend\n";
        assert_eq!(rendered.replace(&Roff::new().render(), ""), expected);
    }
}
