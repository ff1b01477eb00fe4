/** Long lists: a part of them is drawn, and more when their end comes into sight. */
import type { JSX } from "preact"
import { useEffect, useRef, useState } from "preact/hooks"
import { count } from "../text.ts"

const first = 50

/** How many of a list to draw, and what stands at its end. */
export const useMore = (length: number, of: string): readonly [number, JSX.Element | undefined] => {
  const [most, setMost] = useState(first)
  const ref = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (ref.current === null) return
    const observer = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && setMost((n) => n + first),
      { rootMargin: "400px" }
    )
    observer.observe(ref.current)
    return () => observer.disconnect()
  }, [most, length > most])
  return [
    Math.min(most, length),
    length <= most ? undefined : (
      <div class="more" ref={ref}>
        <button type="button" class="button plain" onClick={() => setMost((n) => n + first)}>
          {count(length - most)} more {of}
        </button>
      </div>
    )
  ]
}
