//! Which proxy a connection goes through: none, one that was given, or what the environment says.

use crate::{
    error::{Code, Error, Result},
    posix,
};
use std::{env, sync::Arc};

use super::{Proxy, exceptions::Exceptions};

/// The choice.
#[derive(Clone, Default)]
pub struct ProxyChoice {
    proxy: Option<Arc<Proxy>>,
    /// The hosts that are connected to without it.
    exceptions: Exceptions,
}

impl ProxyChoice {
    /// Always this one.
    pub fn given(url: &str) -> Result<ProxyChoice> {
        Ok(ProxyChoice { proxy: Some(Arc::new(Proxy::parse(url)?)), exceptions: Exceptions::default() })
    }

    /// What the environment says now. It says nothing to programs that have more privileges than their users.
    pub fn from_environment() -> Result<ProxyChoice> {
        if posix::has_raised_privileges() {
            return Ok(ProxyChoice::default());
        }
        ProxyChoice::from_variables(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<ProxyChoice> {
        let exceptions = ["no_proxy", "NO_PROXY"].into_iter().find_map(&variable).unwrap_or_default();
        let exceptions = Exceptions::parse(&exceptions);
        for name in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            let Some(url) = variable(name).filter(|url| !url.is_empty()) else { continue };
            let about = |error: Error| Error { code: Code::Config, ..error.context(name) };
            return Ok(ProxyChoice { proxy: Some(Arc::new(Proxy::parse(&url).map_err(about)?)), exceptions });
        }
        Ok(ProxyChoice::default())
    }

    /// Whether there is one for any host.
    pub fn is_some(&self) -> bool {
        self.proxy.is_some()
    }

    /// The proxy for a host.
    pub fn for_host(&self, host: &str, port: u16) -> Option<&Arc<Proxy>> {
        self.proxy.as_ref().filter(|_| !self.exceptions.include(host, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(variables: &[(&str, &str)], host: &str) -> Option<String> {
        let variable =
            |name: &str| variables.iter().find(|(its, _)| *its == name).map(|(_, value)| value.to_string());
        let choice = ProxyChoice::from_variables(variable).unwrap();
        choice.for_host(host, 443).map(|proxy| proxy.to_string())
    }

    #[test]
    fn the_variables_have_an_order_and_exceptions() {
        assert_eq!(choose(&[], "a"), None);
        assert_eq!(choose(&[("http_proxy", "h:1"), ("HTTP_PROXY", "h:1")], "a"), None);
        let all = [("ALL_PROXY", "socks5h://s:1"), ("HTTPS_PROXY", "h:2"), ("https_proxy", "http://u:p@h:3")];
        assert_eq!(choose(&all, "a").as_deref(), Some("http://h:3"));
        assert_eq!(choose(&all[..2], "a").as_deref(), Some("http://h:2"));
        assert_eq!(choose(&all[..1], "a").as_deref(), Some("socks5h://s:1"));
        assert_eq!(choose(&[("https_proxy", ""), ("ALL_PROXY", "s:1")], "a").as_deref(), Some("http://s:1"));
        let except = [("https_proxy", "h:3"), ("no_proxy", "a.org")];
        assert_eq!(choose(&except, "x.a.org"), None);
        assert_eq!(choose(&except, "b.org").as_deref(), Some("http://h:3"));
    }

    #[test]
    fn the_variable_with_a_wrong_url_is_named() {
        let variable = |name: &str| (name == "HTTPS_PROXY").then(|| "http://u:secret@".to_string());
        let Err(error) = ProxyChoice::from_variables(variable) else { panic!("no error") };
        assert!(error.message.starts_with("HTTPS_PROXY: ") && !error.message.contains("secret"), "{error}");
    }
}
