/** The value of `NO_PROXY` for all hosts: names, and addresses of both families. */
const ALL_HOSTS = "*,0.0.0.0/0,::/0";

/**
 * Makes an HTTP client that never uses a proxy. `HTTP_PROXY` and its like are meant for the
 * web: a proxy would get the password of etcd's user.
 *
 * Deno has no option for that. A client reads the environment when it is made and never again
 * (`ext/fetch/proxy.rs` of Deno), so `NO_PROXY` is set for that moment. The transport `tcp`
 * ignores proxies, too, but speaks plain text also to `https`.
 */
export function directClient(options: Deno.CreateHttpClientOptions): Deno.HttpClient {
  const before = Deno.env.get("NO_PROXY");
  Deno.env.set("NO_PROXY", ALL_HOSTS);
  try {
    return Deno.createHttpClient(options);
  } finally {
    if (before === undefined) Deno.env.delete("NO_PROXY");
    else Deno.env.set("NO_PROXY", before);
  }
}
