/** Names of topics, and patterns. */
import * as Topic from "@pnet/core/Topic"

/** What is wrong with the name of a topic, or the pattern of several. */
export const wrongWith = (name: string, mayStand: boolean): string | undefined => {
  const segments = name.split(".")
  const plain = mayStand
    ? segments.map((segment, i) => segment === "*" || segment === ">" && i === segments.length - 1 ? "x" : segment)
    : segments
  try {
    Topic.bytes(plain.join("."))
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
