/** Keys that are the same in every view. */
import { go, viewLink } from "./go.ts"
import type { View } from "./route.ts"
import { helps } from "./store/state.ts"

/** Behind a `g`. */
export const places: Readonly<Record<string, View>> = {
  n: "network",
  p: "peers",
  t: "try",
  c: "calls",
  e: "events",
  o: "topics",
  h: "health"
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))

export const keys = (): void => {
  let since = -Infinity
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") !== null) return
    const target = event.target
    if (event.key === "Escape" && target instanceof HTMLInputElement && target.type === "search") return target.blur()
    if (isTyping(target)) return
    const isBehind = event.timeStamp - since < 1_200
    since = -Infinity
    const place = places[event.key]
    if (isBehind && place !== undefined) go(viewLink(place))
    else if (event.key === "g") since = event.timeStamp
    else if (event.key === "/") document.querySelector<HTMLElement>("[data-search]")?.focus()
    else if (event.key === "?") helps.value = true
    else return
    event.preventDefault()
  })
}
