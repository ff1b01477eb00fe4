/** What this process holds after it has collected garbage. Whoever imports this has it collect, as `--expose-gc` does. */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
/** Collects garbage. */
export const collect: () => void = runInNewContext("gc")

/** The heap in bytes. */
export const heap = (): number => {
  collect()
  return process.memoryUsage().heapUsed
}
