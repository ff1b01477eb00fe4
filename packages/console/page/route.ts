/** Where the page is, all of it in the URL behind the `#`: a view, what of it is looked at, and how. */

export const views = ["network", "peers", "try", "calls", "events", "topics", "health"] as const
export type View = typeof views[number]

export interface Route {
  readonly view: View
  /** What of the view is looked at: the key of a peer. */
  readonly of: string | undefined
  readonly query: Readonly<Record<string, string>>
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The route that a hash says; one that says nothing is the network. */
export const read = (hash: string): Route => {
  const [path = "", search = ""] = hash.replace(/^#?\/?/, "").split("?", 2)
  const [name, of] = path.split("/", 2)
  const view = views.find((one) => one === name) ?? "network"
  return {
    view,
    of: of === undefined || of === "" ? undefined : decoded(of),
    query: Object.fromEntries(new URLSearchParams(search))
  }
}

/** The hash of a route. What is empty is left out. */
export const write = (view: View, of?: string, query: Readonly<Record<string, string | undefined>> = {}): string => {
  const kept = Object.entries(query).filter((one): one is [string, string] => one[1] !== undefined && one[1] !== "")
  const search = new URLSearchParams(kept).toString()
  return `#/${view}${of === undefined ? "" : `/${encodeURIComponent(of)}`}${search === "" ? "" : `?${search}`}`
}
