//! Operations: what a request can ask for, each with a stable name for figures and documents.

/// Where an operation is asked for.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) method: &'static str,
    /// With `{table}` and `{key}` where names stand.
    pub(crate) path: &'static str,
}

macro_rules! operations {
    ($($variant:ident = $method:ident $path:literal $name:literal,)+) => {
        /// See the module.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Operation {
            $($variant,)+
            /// Which methods an address takes.
            Options,
            /// None: nothing is at the address, or not by this method, or the request breaks a rule
            /// that holds for all.
            None,
        }

        impl Operation {
            /// All, in the order of their discriminants.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)+ Self::Options, Self::None];

            /// Its name.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Options => "options",
                    Self::None => "none",
                }
            }

            /// Where it is asked for; `None` for what has no address of its own.
            #[cfg(test)]
            pub(crate) fn route(self) -> Option<Route> {
                match self {
                    $(Self::$variant => {
                        Some(Route { method: stringify!($method), path: $path })
                    })+
                    Self::Options | Self::None => None,
                }
            }
        }
    };
}

operations! {
    GetRecord = GET "/{table}/key/{key}" "get_record",
    PutRecord = PUT "/{table}/key/{key}" "put_record",
    PatchRecord = PATCH "/{table}/key/{key}" "patch_record",
    DeleteRecord = DELETE "/{table}/key/{key}" "delete_record",
    ListRecords = GET "/{table}/store" "list_records",
    ListKeys = GET "/{table}/keys" "list_keys",
    GetRecords = POST "/{table}/keys" "get_records",
    WriteRecords = POST "/{table}/batch" "write_records",
    ListTables = GET "/tables" "list_tables",
    SubscribeKey = GET "/{table}/subscribe/{key}" "subscribe_key",
    SubscribeTable = GET "/{table}/subscribe" "subscribe_table",
    SubscribeMany = GET "/subscribe" "subscribe_many",
    Stats = GET "/stats" "stats",
    Metrics = GET "/metrics" "metrics",
    Membership = GET "/membership" "membership",
    OpenApi = GET "/openapi.json" "openapi",
    Livez = GET "/livez" "livez",
    Readyz = GET "/readyz" "readyz",
    Mesh = GET "/_mesh" "mesh",
    Leave = POST "/_cluster/leave" "leave_cluster",
    Remove = POST "/_cluster/remove/{node}" "remove_node",
}
