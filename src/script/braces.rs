//! Finds the brace that was never closed. Rhai reports it at the end of the file, where nobody looks for it.

/// Line and column of a `{` without its `}`: where indentation shows that a brace closed the wrong one, that one; else
/// the innermost that is still open.
pub(super) fn unclosed(text: &str) -> Option<(usize, usize)> {
    let mut open: Vec<Open> = Vec::new();
    let mut scan = Scan::default();
    let mut suspect = None;
    for (number, line) in text.lines().enumerate() {
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        scan.line(line, |column, c| {
            if c == '{' {
                open.push(Open { line: number + 1, column, indent });
            } else if let Some(closed) = open.pop()
                && column == indent + 1
                && closed.indent > indent
            {
                suspect = suspect.or(Some((closed.line, closed.column)));
            }
        });
    }
    let innermost = open.last().map(|o| (o.line, o.column));
    innermost.map(|innermost| suspect.unwrap_or(innermost))
}

struct Open {
    line: usize,
    column: usize,
    indent: usize,
}

/// What the scanner is inside of.
#[derive(Default)]
struct Scan {
    comment_depth: usize,
    quote: Option<char>,
    /// Template braces: how deep inside `${ … }` of a back-quoted text.
    template: Vec<usize>,
}

impl Scan {
    /// Walks one line and reports braces that are code, columns from 1.
    fn line(&mut self, line: &str, mut brace: impl FnMut(usize, char)) {
        let mut chars = line.chars().enumerate().peekable();
        while let Some((i, c)) = chars.next() {
            let next = chars.peek().map(|(_, c)| *c);
            if self.comment_depth > 0 {
                match (c, next) {
                    ('*', Some('/')) => self.comment_depth -= 1,
                    ('/', Some('*')) => self.comment_depth += 1,
                    _ => continue,
                }
                chars.next();
            } else if let Some(quote) = self.quote {
                match (c, next) {
                    ('\\', _) if quote != '`' => drop(chars.next()),
                    ('$', Some('{')) if quote == '`' => {
                        chars.next();
                        self.template.push(0);
                        self.quote = None;
                    }
                    _ if c == quote => self.quote = None,
                    _ => {}
                }
            } else {
                match (c, next) {
                    ('/', Some('/')) => return,
                    ('/', Some('*')) => {
                        self.comment_depth += 1;
                        chars.next();
                    }
                    ('"' | '`' | '\'', _) => self.quote = Some(c),
                    ('{', _) => {
                        if let Some(depth) = self.template.last_mut() {
                            *depth += 1;
                        }
                        brace(i + 1, c);
                    }
                    ('}', _) => match self.template.last_mut() {
                        Some(0) => {
                            self.template.pop();
                            self.quote = Some('`');
                        }
                        Some(depth) => {
                            *depth -= 1;
                            brace(i + 1, c);
                        }
                        None => brace(i + 1, c),
                    },
                    _ => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brace_that_lacks_its_partner_is_found() {
        assert_eq!(unclosed("fn a() {\n    if x {\n        y();\n}\n\nfn b() { }\n"), Some((2, 10)));
        assert_eq!(unclosed("fn a() { if x { y(); }"), Some((1, 8)));
        assert_eq!(unclosed("fn a() { }"), None);
    }

    #[test]
    fn braces_in_texts_and_comments_do_not_count() {
        assert_eq!(
            unclosed("// {\n/* { /* { */ */ let a = \"{\"; let b = '{'; let c = `${ #{a: 1}.a } {`;"),
            None
        );
    }
}
