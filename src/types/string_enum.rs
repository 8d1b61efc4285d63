//! Enums with a string name per variant.

/// Declares a fieldless enum together with the name that each variant has on the wire, in the store and in logs.
///
/// Generates `Serialize` and `Deserialize` by that name, and `ALL`, `as_str` and `from_name`. Other derives and attributes are passed on.
// `tt` for the name: derives such as `ToSchema` do not recognize a `literal` fragment in an attribute.
macro_rules! string_enum {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $Enum:ident {
            $($(#[$variant_attribute:meta])* $Variant:ident = $name:tt,)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        $visibility enum $Enum {
            $($(#[$variant_attribute])* #[serde(rename = $name)] $Variant,)+
        }

        impl $Enum {
            /// All variants, in order of declaration.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$Variant),+];

            /// The name on the wire and in the store.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Variant => $name,)+
                }
            }

            /// The variant with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$Variant),)+
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use string_enum;

#[cfg(test)]
mod tests {
    use crate::types::{AuditAction, ToolKind};

    #[test]
    fn a_variant_has_the_same_name_everywhere() {
        for action in AuditAction::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
            assert_eq!(serde_json::from_value::<AuditAction>(action.as_str().into()).unwrap(), action);
            assert_eq!(AuditAction::from_name(action.as_str()), Some(action));
        }
        assert_eq!(AuditAction::RunCreate.as_str(), "run.create");
        assert_eq!(AuditAction::from_name("run"), None);
    }

    #[test]
    fn serde_attributes_of_variants_are_kept() {
        assert_eq!(serde_json::from_str::<ToolKind>("\"telepathy\"").unwrap(), ToolKind::Other);
        assert_eq!(ToolKind::from_name("telepathy"), None);
    }
}
