//! Classifies `extra_args` by the known flags of an agent's command line.
//!
//! A reserved flag would break the parser. A widening flag amounts to code execution: it may lift permissions, load settings, or read
//! and write files outside the workspace. Every flag of the pinned agent versions therefore has a class, and flags that are not in the
//! table are for admins only.

/// One flag of an agent's command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Its spellings, with dashes: `--model`, `-m`.
    pub names: &'static [&'static str],
    /// Who may pass it.
    pub class: Class,
    /// Whether it takes a value.
    pub takes: Takes,
}

impl Flag {
    /// A flag that the adapter sets: formats, print mode, resume, session, permission prompt, model.
    pub const fn reserved(names: &'static [&'static str], takes: Takes) -> Self {
        Self { names, class: Class::Reserved, takes }
    }

    /// A flag that widens what the agent may do.
    pub const fn widening(names: &'static [&'static str], takes: Takes) -> Self {
        Self { names, class: Class::Widening, takes }
    }

    /// A harmless flag.
    pub const fn plain(names: &'static [&'static str], takes: Takes) -> Self {
        Self { names, class: Class::Plain, takes }
    }
}

/// Who may pass a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Every user.
    Plain,
    /// Admins only; the run's record lists it.
    Widening,
    /// No user, because the adapter sets it.
    Reserved,
}

/// Whether a flag takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Takes {
    /// None.
    Nothing,
    /// Exactly one: the next element, or after `=`.
    One,
    /// Any number of elements up to the next flag.
    Many,
}

/// Maximum number of elements of `extra_args`.
pub const MAX_ARGS: usize = 64;
/// Maximum length of an element of `extra_args` in bytes.
pub const MAX_ARG_BYTES: usize = 8 * 1024;

/// Why `extra_args` were rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadArgs {
    /// Too many elements.
    #[error("extra_args has {count} elements; the maximum is {MAX_ARGS}")]
    TooMany {
        /// Number of elements.
        count: usize,
    },
    /// An element is too long.
    #[error("extra_args[{index}] is longer than {MAX_ARG_BYTES} bytes")]
    TooLong {
        /// Index of the element.
        index: usize,
    },
    /// An element contains NUL, which ends an argument.
    #[error("extra_args[{index}] contains a NUL character; remove it")]
    Nul {
        /// Index of the element.
        index: usize,
    },
    /// A flag that the adapter sets.
    #[error("extra_args[{index}]: {flag} is set by the server; remove it")]
    Reserved {
        /// Index of the element.
        index: usize,
        /// The flag as passed.
        flag: String,
    },
    /// Neither a flag nor the value of one.
    #[error("extra_args[{index}] is neither a flag nor the value of one; put the prompt into input.text")]
    Positional {
        /// Index of the element.
        index: usize,
    },
    /// A flag without its value.
    #[error("extra_args: {flag} needs a value: the next element or, if the value starts with a dash, after `=`")]
    ValueMissing {
        /// The flag.
        flag: String,
    },
    /// The agent takes no arguments.
    #[error("agent {agent} does not support extra_args; omit them")]
    Unsupported {
        /// The agent.
        agent: String,
    },
}

impl BadArgs {
    /// Whether the agent takes no arguments at all.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported { .. })
    }
}

/// Flags that only an admin may pass, as spelled in the arguments. If empty, every user may pass them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Widening(pub Vec<String>);

/// Classifies `args` by `table`.
///
/// # Errors
/// [`BadArgs`] if no user may pass them.
pub fn classify(table: &[Flag], args: &[String]) -> Result<Widening, BadArgs> {
    if args.len() > MAX_ARGS {
        return Err(BadArgs::TooMany { count: args.len() });
    }
    for (index, arg) in args.iter().enumerate() {
        if arg.len() > MAX_ARG_BYTES {
            return Err(BadArgs::TooLong { index });
        }
        if arg.contains('\0') {
            return Err(BadArgs::Nul { index });
        }
    }
    let mut widening = Vec::new();
    let mut index = 0;
    while let Some(arg) = args.get(index) {
        let at = index;
        index += 1;
        if arg == "-" || arg == "--" || !arg.starts_with('-') {
            return Err(BadArgs::Positional { index: at });
        }
        let parsed = ParsedArg::new(arg);
        for (flag, known) in parsed.flags(table) {
            match known.map(|flag| flag.class) {
                Some(Class::Reserved) => return Err(BadArgs::Reserved { index: at, flag }),
                Some(Class::Plain) => {}
                Some(Class::Widening) | None => widening.push(flag),
            }
            let takes = known.map_or(Takes::Many, |flag| flag.takes);
            match takes {
                Takes::Nothing => continue,
                Takes::One if parsed.has_value(table) => {}
                // A value that looks like a flag must follow `=`: some programs would take it for that flag.
                Takes::One if args.get(index).is_some_and(|next| !next.starts_with('-')) => index += 1,
                Takes::One => return Err(BadArgs::ValueMissing { flag: arg.clone() }),
                Takes::Many => index += args[index..].iter().take_while(|next| !next.starts_with('-')).count(),
            }
            break;
        }
    }
    Ok(Widening(widening))
}

/// One element that starts with a dash, parsed as command-line libraries do.
enum ParsedArg<'a> {
    /// `--name` or `--name=value`.
    Long { name: &'a str, value: bool },
    /// `-abc`: a cluster of flags, or one flag followed by its value.
    Short { letters: &'a str },
}

impl<'a> ParsedArg<'a> {
    fn new(arg: &'a str) -> Self {
        match arg.strip_prefix("--") {
            Some(_) => match arg.split_once('=') {
                Some((name, _)) => Self::Long { name, value: true },
                None => Self::Long { name: arg, value: false },
            },
            None => Self::Short { letters: &arg[1..] },
        }
    }

    /// The flags in the element, up to and including the first that takes a value.
    fn flags<'t>(&self, table: &'t [Flag]) -> Vec<(String, Option<&'t Flag>)> {
        match self {
            Self::Long { name, .. } => {
                // Go's flag packages accept long names with a single dash (`-model`), so the name is looked up verbatim.
                vec![((*name).to_owned(), find(table, name))]
            }
            Self::Short { letters } => {
                let whole = format!("-{}", letters.split('=').next().unwrap_or(letters));
                if letters.chars().count() > 1
                    && let Some(flag) = find(table, &whole)
                {
                    return vec![(whole, Some(flag))];
                }
                let mut flags = Vec::new();
                for letter in letters.chars() {
                    let name = format!("-{letter}");
                    let known = find(table, &name);
                    let ends = known.is_none_or(|flag| flag.takes != Takes::Nothing);
                    flags.push((name, known));
                    if ends {
                        break;
                    }
                }
                flags
            }
        }
    }

    /// Whether the element contains the flag's value.
    fn has_value(&self, table: &[Flag]) -> bool {
        match self {
            Self::Long { value, .. } => *value,
            Self::Short { letters } => letters.contains('=') || letters.chars().count() > self.flags(table).len(),
        }
    }
}

fn find<'t>(table: &'t [Flag], name: &str) -> Option<&'t Flag> {
    table.iter().find(|flag| flag.names.contains(&name))
}

#[cfg(test)]
mod tests {
    //! Rules: S4.

    use super::*;

    const TABLE: &[Flag] = &[
        Flag::reserved(&["--print", "-p"], Takes::Nothing),
        Flag::reserved(&["--model", "-m"], Takes::One),
        Flag::widening(&["--sandbox", "-s"], Takes::One),
        Flag::widening(&["--allowed-tools"], Takes::Many),
        Flag::plain(&["--verbose", "-v"], Takes::Nothing),
        Flag::plain(&["--max-turns"], Takes::One),
    ];

    fn classified(args: &[&str]) -> Result<Vec<String>, BadArgs> {
        classify(TABLE, &args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>()).map(|widening| widening.0)
    }

    #[test]
    fn every_user_may_pass_plain_flags() {
        assert_eq!(classified(&["--verbose", "--max-turns", "3", "-v", "--max-turns=4"]), Ok(vec![]));
    }

    #[test]
    fn a_reserved_flag_is_rejected_in_every_spelling() {
        for args in [&["--print"][..], &["-p"], &["--model", "x"], &["--model=x"], &["-mx"], &["-m=x"], &["-vp"], &["-vmx"]] {
            assert!(matches!(classified(args), Err(BadArgs::Reserved { .. })), "{args:?}");
        }
    }

    #[test]
    fn a_widening_flag_is_detected_in_every_spelling() {
        for args in [&["--sandbox", "off"][..], &["--sandbox=off"], &["-s", "off"], &["-soff"], &["-vsoff"], &["--allowed-tools", "a", "b"]]
        {
            assert_eq!(classified(args).map(|flags| flags.len()), Ok(1), "{args:?}");
        }
    }

    #[test]
    fn an_unknown_flag_counts_as_widening() {
        assert_eq!(classified(&["--brand-new", "value", "--verbose"]), Ok(vec!["--brand-new".to_owned()]));
        assert_eq!(classified(&["-z"]), Ok(vec!["-z".to_owned()]));
    }

    #[test]
    fn a_value_that_looks_like_a_flag_must_follow_an_equals_sign() {
        assert_eq!(classified(&["--max-turns", "--sandbox"]), Err(BadArgs::ValueMissing { flag: "--max-turns".into() }));
        assert_eq!(classified(&["--max-turns=--sandbox"]), Ok(vec![]));
        assert_eq!(classified(&["--max-turns"]), Err(BadArgs::ValueMissing { flag: "--max-turns".into() }));
        assert!(matches!(classified(&["--max-turns=1", "--print"]), Err(BadArgs::Reserved { index: 1, .. })));
    }

    #[test]
    fn positional_arguments_are_rejected() {
        for args in [&["prompt"][..], &["--verbose", "prompt"], &["--"], &["-"], &[""]] {
            assert!(matches!(classified(args), Err(BadArgs::Positional { .. })), "{args:?}");
        }
    }

    #[test]
    fn too_many_too_long_and_nul_arguments_are_rejected() {
        assert!(matches!(classify(TABLE, &vec!["-v".to_owned(); 65]), Err(BadArgs::TooMany { count: 65 })));
        assert!(matches!(classified(&[&format!("--x={}", "y".repeat(MAX_ARG_BYTES))]), Err(BadArgs::TooLong { index: 0 })));
        assert!(matches!(classified(&["--x=\0"]), Err(BadArgs::Nul { index: 0 })));
    }
}
