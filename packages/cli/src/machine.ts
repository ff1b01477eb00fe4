/**
 * What the command knows of the machine and the user it runs for.
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"

export { type Places, placesOf } from "./places.ts"

/** The machine, and who runs the command. */
export class Machine extends Context.Service<Machine, {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly hostname: string
  /** The user's name, where the system has one. */
  readonly user: string | undefined
  readonly home: string
  readonly pid: number
  readonly windows: boolean
  /** The time zone of whoever sits there. It takes a while to find out. */
  readonly zone: () => DateTime.TimeZone
  /** The number of the user that the command runs as, where the system has such. */
  readonly uid?: number | undefined
}>()("@pnet/cli/Machine") {}
