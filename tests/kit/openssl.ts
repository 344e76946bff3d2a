/**
 * Certificates for tests, by openssl(1): the machine's own, or the one of Debian 12 in the lab's cache.
 *
 * @module
 */
import { dirname } from "node:path";
import { fetchFolders } from "../../lab/fetch/fetch.ts";
import { fileIn, which } from "../../lab/machine.ts";

/** openssl, with the variables that it needs. */
interface OpenSsl {
  program: string;
  env: Record<string, string>;
}

async function findOpenSsl(): Promise<OpenSsl> {
  const program = which("openssl");
  if (program !== undefined) return { program, env: {} };
  const say = (line: string) => console.error(line);
  const packages = ["openssl", "libssl3"];
  const [folder = "", libraries = ""] = await fetchFolders(packages, { release: "bookworm", say });
  return {
    program: `${folder}/usr/bin/openssl`,
    env: {
      LD_LIBRARY_PATH: dirname(fileIn(libraries, "libssl.so.3")!),
      OPENSSL_CONF: `${folder}/etc/ssl/openssl.cnf`,
    },
  };
}

/**
 * Makes certificates for this machine's loopback address, and two CAs, of which only the first signs
 * them. They are valid for two days.
 *
 * @param folder The folder for `NAME.pem` and `NAME.key`; `ca.pem` and `other.pem` are the CAs.
 * @param names The names of the certificates.
 */
export async function makeCertificates(folder: string, names: readonly string[]): Promise<void> {
  const { program, env } = await findOpenSsl();
  const openssl = async (...args: string[]) => {
    const { success, stderr } = await new Deno.Command(program, { args, env }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  for (const name of ["ca", "other"]) {
    await openssl(
      ...["req", "-x509", ...key, "-days", "2", "-subj", `/CN=${name}`],
      ...["-keyout", `${folder}/${name}.key`, "-out", `${folder}/${name}.pem`],
    );
  }
  for (const name of names) {
    await openssl(
      ...["req", ...key, "-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"],
      ...["-keyout", `${folder}/${name}.key`, "-out", `${folder}/${name}.csr`],
    );
    await openssl(
      ...["x509", "-req", "-in", `${folder}/${name}.csr`, "-days", "2", "-copy_extensions", "copy"],
      ...["-CA", `${folder}/ca.pem`, "-CAkey", `${folder}/ca.key`, "-out", `${folder}/${name}.pem`],
    );
  }
}
