//! Judges `extra_args` by what is known of an agent's command line.
//!
//! A reserved flag would break our parser, and a widening one is code execution: it may lift the permissions, load settings or
//! read and write files outside the workspace. So every flag of the pinned agent versions has a class, and what is not in the
//! table is for admins only.

/// One flag of an agent's command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Its spellings with dashes: `--model`, `-m`.
    pub names: &'static [&'static str],
    /// Who may use it.
    pub class: Class,
    /// Whether it takes a value.
    pub takes: Takes,
}

impl Flag {
    /// A flag that is ours: formats, print mode, resume, session, permission prompt, model.
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

/// Who may use a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Everyone.
    Plain,
    /// Admins only, and the run's record says so.
    Widening,
    /// Nobody: we set it ourselves.
    Reserved,
}

/// Whether a flag takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Takes {
    /// None.
    Nothing,
    /// Exactly one, as the next element or after `=`.
    One,
    /// Any number of elements up to the next flag.
    Many,
}

/// Most elements of `extra_args`.
pub const MAX_ARGS: usize = 64;
/// Longest element of `extra_args`, in bytes.
pub const MAX_ARG_BYTES: usize = 8 * 1024;

/// Why `extra_args` cannot be used at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadArgs {
    /// Too many elements.
    #[error("extra_args has {count} elements, at most {MAX_ARGS} are taken")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// An element is too long.
    #[error("extra_args[{index}] is longer than {MAX_ARG_BYTES} bytes")]
    TooLong {
        /// Which one.
        index: usize,
    },
    /// An element cannot be passed to a program.
    #[error("extra_args[{index}] contains a NUL character")]
    Nul {
        /// Which one.
        index: usize,
    },
    /// A flag that we set ourselves.
    #[error("extra_args[{index}]: {flag} is set by the server and cannot be given")]
    Reserved {
        /// Which one.
        index: usize,
        /// The flag as given.
        flag: String,
    },
    /// Something that is neither a flag nor the value of one.
    #[error("extra_args[{index}] is neither a flag nor the value of one; the prompt goes into input.text")]
    Positional {
        /// Which one.
        index: usize,
    },
    /// A flag without its value.
    #[error("extra_args: {flag} needs a value, as the next element or, if it begins with a dash, after `=`")]
    ValueMissing {
        /// The flag.
        flag: String,
    },
    /// An agent without a command line.
    #[error("agent {agent} takes no extra_args; leave extra_args out")]
    Unsupported {
        /// The agent.
        agent: String,
    },
}

/// Flags that only an admin may use, as given. Empty: everyone may use these arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Widening(pub Vec<String>);

/// Judges `args` by `table`.
///
/// # Errors
/// [`BadArgs`] if nobody may use them.
pub fn judge(table: &[Flag], args: &[String]) -> Result<Widening, BadArgs> {
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
        let spelled = Spelled::of(arg);
        for (flag, known) in spelled.flags(table) {
            match known.map(|flag| flag.class) {
                Some(Class::Reserved) => return Err(BadArgs::Reserved { index: at, flag }),
                Some(Class::Plain) => {}
                Some(Class::Widening) | None => widening.push(flag),
            }
            let takes = known.map_or(Takes::Many, |flag| flag.takes);
            match takes {
                Takes::Nothing => continue,
                Takes::One if spelled.has_value(table) => {}
                // A value that looks like a flag must be glued on: some programs would read it as the flag that it looks like.
                Takes::One if args.get(index).is_some_and(|next| !next.starts_with('-')) => index += 1,
                Takes::One => return Err(BadArgs::ValueMissing { flag: arg.clone() }),
                Takes::Many => index += args[index..].iter().take_while(|next| !next.starts_with('-')).count(),
            }
            break;
        }
    }
    Ok(Widening(widening))
}

/// One element that begins with a dash, taken apart as command-line libraries do.
enum Spelled<'a> {
    /// `--name` or `--name=value`.
    Long { name: &'a str, value: bool },
    /// `-abc`: a cluster of flags, or one flag with its value glued on.
    Short { letters: &'a str },
}

impl<'a> Spelled<'a> {
    fn of(arg: &'a str) -> Self {
        match arg.strip_prefix("--") {
            Some(_) => match arg.split_once('=') {
                Some((name, _)) => Self::Long { name, value: true },
                None => Self::Long { name: arg, value: false },
            },
            None => Self::Short { letters: &arg[1..] },
        }
    }

    /// The flags that stand in the element, up to and including the first that takes a value.
    fn flags<'t>(&self, table: &'t [Flag]) -> Vec<(String, Option<&'t Flag>)> {
        match self {
            Self::Long { name, .. } => {
                // Single-dash spellings of long names (`-model`) are known to Go's flag packages; look the name up as it stands.
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

    /// Whether the value stands in the same element.
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
    use super::*;

    const TABLE: &[Flag] = &[
        Flag::reserved(&["--print", "-p"], Takes::Nothing),
        Flag::reserved(&["--model", "-m"], Takes::One),
        Flag::widening(&["--sandbox", "-s"], Takes::One),
        Flag::widening(&["--allowed-tools"], Takes::Many),
        Flag::plain(&["--verbose", "-v"], Takes::Nothing),
        Flag::plain(&["--max-turns"], Takes::One),
    ];

    fn judged(args: &[&str]) -> Result<Vec<String>, BadArgs> {
        judge(TABLE, &args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>()).map(|widening| widening.0)
    }

    #[test]
    fn plain_flags_are_for_everyone() {
        assert_eq!(judged(&["--verbose", "--max-turns", "3", "-v", "--max-turns=4"]), Ok(vec![]));
    }

    #[test]
    fn a_reserved_flag_is_refused_in_every_spelling() {
        for args in [&["--print"][..], &["-p"], &["--model", "x"], &["--model=x"], &["-mx"], &["-m=x"], &["-vp"], &["-vmx"]] {
            assert!(matches!(judged(args), Err(BadArgs::Reserved { .. })), "{args:?}");
        }
    }

    #[test]
    fn a_widening_flag_is_named_in_every_spelling() {
        for args in [&["--sandbox", "off"][..], &["--sandbox=off"], &["-s", "off"], &["-soff"], &["-vsoff"], &["--allowed-tools", "a", "b"]]
        {
            assert_eq!(judged(args).map(|flags| flags.len()), Ok(1), "{args:?}");
        }
    }

    #[test]
    fn an_unknown_flag_is_treated_as_widening() {
        assert_eq!(judged(&["--brand-new", "value", "--verbose"]), Ok(vec!["--brand-new".to_owned()]));
        assert_eq!(judged(&["-z"]), Ok(vec!["-z".to_owned()]));
    }

    #[test]
    fn a_value_cannot_smuggle_a_flag_past_the_table() {
        assert_eq!(judged(&["--max-turns", "--sandbox"]), Err(BadArgs::ValueMissing { flag: "--max-turns".into() }));
        assert_eq!(judged(&["--max-turns=--sandbox"]), Ok(vec![]));
        assert_eq!(judged(&["--max-turns"]), Err(BadArgs::ValueMissing { flag: "--max-turns".into() }));
        assert!(matches!(judged(&["--max-turns=1", "--print"]), Err(BadArgs::Reserved { index: 1, .. })));
    }

    #[test]
    fn words_that_belong_to_no_flag_are_refused() {
        for args in [&["prompt"][..], &["--verbose", "prompt"], &["--"], &["-"], &[""]] {
            assert!(matches!(judged(args), Err(BadArgs::Positional { .. })), "{args:?}");
        }
    }

    #[test]
    fn number_length_and_nul_are_bounded() {
        assert!(matches!(judge(TABLE, &vec!["-v".to_owned(); 65]), Err(BadArgs::TooMany { count: 65 })));
        assert!(matches!(judged(&[&format!("--x={}", "y".repeat(MAX_ARG_BYTES))]), Err(BadArgs::TooLong { index: 0 })));
        assert!(matches!(judged(&["--x=\0"]), Err(BadArgs::Nul { index: 0 })));
    }
}
