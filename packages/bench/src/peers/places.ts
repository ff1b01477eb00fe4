/** Where what is no module of this package lies: the programs of other libraries, and what is made of figures. */
import { join } from "node:path"
import { fileURLToPath } from "node:url"

// Tests have made one file of the benchmarks, which lies elsewhere.
const bench = process.env["PNET_BENCH_FOLDER"] ?? fileURLToPath(new URL("../../", import.meta.url))

/** A file or folder of this package. */
export const ofBench = (path: string): string => join(bench, path)

/** A file of the workspace. */
export const ofWorkspace = (path: string): string => join(bench, "..", "..", path)
