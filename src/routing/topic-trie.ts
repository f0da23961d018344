/**
 * The bindings of a topic exchange by their patterns: words divided by dots, where `*` is any one word and `#` any number of
 * them (AMQP 0-9-1, 3.1.3.3).
 *
 * A walk keeps the set of nodes that the words so far may have reached. A node is in the set at most once, so a key of `w` words
 * costs at most `w` times the nodes of the trie, whatever the patterns say (`#.a.#.a.#…` too), and no walk goes back.
 */
interface Node<T> {
  readonly words: Map<string, Node<T>>
  star: Node<T> | undefined
  hash: Node<T> | undefined
  /** Reached by a `#`: it stays reached whatever word comes. */
  readonly stays: boolean
  readonly values: Set<T>
  /** The latest step that put it into the set. */
  seen: number
}

/** Answers remembered; all are forgotten when there are more, and at each change. */
const MEMO_ENTRIES_MAX = 1_024

export class TopicTrie<T> {
  readonly #root = newNode<T>(false)
  readonly #memo = new Map<string, readonly T[]>()
  #step = 0

  add(pattern: string, value: T): void {
    let node = this.#root
    for (const word of wordsOf(pattern)) node = childOf(node, word)
    node.values.add(value)
    this.#memo.clear()
  }

  remove(pattern: string, value: T): void {
    const path: { readonly node: Node<T>; readonly word: string }[] = []
    let node: Node<T> | undefined = this.#root
    for (const word of wordsOf(pattern)) {
      path.push({ node, word })
      node = word === '*' ? node.star : word === '#' ? node.hash : node.words.get(word)
      if (node === undefined) return
    }
    node.values.delete(value)
    // Branches that lead nowhere any more would slow every walk, and leak.
    for (let step = path.pop(); step !== undefined && isBare(node); step = path.pop()) {
      if (step.word === '*') step.node.star = undefined
      else if (step.word === '#') step.node.hash = undefined
      else step.node.words.delete(step.word)
      node = step.node
    }
    this.#memo.clear()
  }

  /** What is bound with a pattern that `key` fits; each once. The answer is shared: do not change it. */
  match(key: string): readonly T[] {
    const known = this.#memo.get(key)
    if (known !== undefined) return known
    const found = this.#walk(key)
    if (this.#memo.size >= MEMO_ENTRIES_MAX) this.#memo.clear()
    this.#memo.set(key, found)
    return found
  }

  #walk(key: string): readonly T[] {
    let reached: Node<T>[] = []
    this.#step++
    this.#reach(this.#root, reached)
    for (const word of split(key)) {
      const next: Node<T>[] = []
      this.#step++
      for (const node of reached) {
        if (node.stays) this.#reach(node, next)
        const exact = node.words.get(word)
        if (exact !== undefined) this.#reach(exact, next)
        if (node.star !== undefined) this.#reach(node.star, next)
      }
      if (next.length === 0) return NOTHING
      reached = next
    }
    const found = new Set<T>()
    for (const { values } of reached) for (const value of values) found.add(value)
    return [...found]
  }

  /** With a node, what a `#` behind it reaches without taking a word. */
  #reach(node: Node<T>, into: Node<T>[]): void {
    for (let at: Node<T> | undefined = node; at !== undefined && at.seen !== this.#step; at = at.hash) {
      at.seen = this.#step
      into.push(at)
    }
  }
}

const NOTHING: readonly never[] = []

/** The empty key has no word; `a.` has two. */
function split(key: string): string[] {
  return key === '' ? [] : key.split('.')
}

function wordsOf(pattern: string): string[] {
  const words = split(pattern)
  // `#.#` says what `#` says.
  return words.filter((word, i) => word !== '#' || words[i - 1] !== '#')
}

function childOf<T>(node: Node<T>, word: string): Node<T> {
  if (word === '*') {
    node.star ??= newNode(false)
    return node.star
  }
  if (word === '#') {
    node.hash ??= newNode(true)
    return node.hash
  }
  let child = node.words.get(word)
  if (child === undefined) {
    child = newNode(false)
    node.words.set(word, child)
  }
  return child
}

function newNode<T>(stays: boolean): Node<T> {
  return { words: new Map(), star: undefined, hash: undefined, stays, values: new Set(), seen: 0 }
}

function isBare({ words, star, hash, values }: Node<unknown>): boolean {
  return values.size === 0 && words.size === 0 && star === undefined && hash === undefined
}
