import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { HEADER_FUNCTIONS, Template, toJson, type Value } from "../../../lib/template/mod.ts";
import "../../kit/seed.ts";
import { DATA } from "./data.ts";
import go from "./go.json" with { type: "json" };
import { isIpvlanError } from "../../../lib/base/errors.ts";
import { assertThrowsError } from "../../kit/errors.ts";

/** What a template prints of the data; "!" and the message where it is refused. */
function print(template: string, data = DATA): string {
  try {
    return new Template(template).print(data);
  } catch (error) {
    if (!isIpvlanError(error, "template")) throw error;
    assert(!error.message.includes("\n"));
    return error.message.replace("template parsing error: ", "!");
  }
}

/** The templates, each with what Go 1.19 printed of a struct with the same fields. */
Deno.test("a template prints what Go prints", () => {
  for (const [template, expected] of go) assertEquals(print(template!), expected, template);
});

/** Templates that are refused in other words than Go's: the column, and what there is instead. */
const REFUSED: [template: string, message: string][] = [
  ["{{.Nope}}", `:1:2: executing "" at <.Nope>: can't evaluate field Nope (did you mean "None"?)`],
  ["é\n é {{.State.Nope}}", `:2:12: executing "" at <.State.Nope>: can't evaluate field Nope`],
  ["{{.Nil.Status}}", ':1:6: executing "" at <.Nil.Status>: nil pointer evaluating .Status'],
  [
    '{{(index .Networks "nope").IPAddress}}',
    `:1:26: executing "" at <(index .Networks "nope").IPAddress>: nil pointer evaluating .IPAddress`,
  ],
  [
    "{{lower 5}}",
    ':1:2: executing "" at <lower 5>: error calling lower: wrong type for value; ' +
    "expected string; got int",
  ],
  [
    "{{5 | .Label}}",
    ':1:6: executing "" at <.Label>: error calling Label: wrong type for value; ' +
    "expected string; got int",
  ],
  [
    '{{pad "a" 1.5 0}}',
    ':1:2: executing "" at <pad "a" 1.5 0>: error calling pad: wrong type for value; ' +
    "expected int; got float64",
  ],
  [
    '{{.Labels.tier "x"}}',
    ':1:9: executing "" at <.Labels.tier>: tier has arguments but cannot be invoked as function',
  ],
  [
    "{{eq .None .None}}",
    ':1:2: executing "" at <eq .None .None>: error calling eq: non-comparable type list: []',
  ],
  ["{{lenn .Name}}", ':1:2: function "lenn" not defined (did you mean "len"?)'],
  ["{{$x}}", ':1:2: undefined variable "$x"'],
  ["{{$a, $b := 1}}", ":1:2: too many declarations in command"],
  ["{{range $a, $b, $c := .None}}{{end}}", ":1:8: too many declarations in range"],
  ["{{$x = 1}}", ':1:2: undefined variable "$x"'],
  ["{{if 0}}{{$x := 1}}{{else}}{{$x}}{{end}}", ':1:29: undefined variable "$x"'],
  ["{{", ":1:2: unclosed action"],
  ["{{.Name}", ':1:7: unexpected "}" in action'],
  ['{{"abc}}', ":1:2: unterminated quoted string"],
  ["{{.Name#}}", ':1:7: unexpected "#" in action'],
  ['{{.Name"a"}}', ':1:7: unexpected "\\"a\\"" in action'],
  ["{{print if}}", ':1:8: function "if" not defined'],
  [
    '{{index .Nil "a"}}',
    ':1:2: executing "" at <index .Nil "a">: error calling index: index of nil pointer',
  ],
  [
    "{{index 5 1}}",
    ':1:2: executing "" at <index 5 1>: error calling index: index of type int',
  ],
  ["{{slice 5}}", ':1:2: executing "" at <slice 5>: error calling slice: slice of type int'],
  [
    "{{index .Config 2}}",
    ':1:2: executing "" at <index .Config 2>: error calling index: index out of range: 2',
  ],
  [
    '{{index "abc" 3}}',
    ':1:2: executing "" at <index "abc" 3>: error calling index: index out of range: 3',
  ],
  [
    "{{slice .Config 0 1 2}}",
    ':1:2: executing "" at <slice .Config 0 1 2>: error calling slice: too many slice indexes: 3',
  ],
  [
    '{{pad "a" 0 16777217}}',
    ':1:2: executing "" at <pad "a" 0 16777217>: error calling pad: the text is too long',
  ],
  [
    '{{printf "%9999999d%9999999d" 1 2}}',
    ':1:2: executing "" at <printf "%9999999d%9999999d" 1 2>: error calling printf: ' +
    "the text is too long",
  ],
  // A part of more than 60 characters is shown in part.
  [
    `{{lower 1 "${"a".repeat(50)}"}}`,
    `:1:2: executing "" at <lower 1 "${
      "a".repeat(50)
    }">: wrong number of args for lower: want 1 got 2`,
  ],
  [
    `{{lower 1 "${"a".repeat(51)}"}}`,
    `:1:2: executing "" at <lower 1 "${
      "a".repeat(51)
    }…>: wrong number of args for lower: want 1 got 2`,
  ],
  ["{{1)}}", ':1:3: unexpected ")" in action'],
  ["{{(1}}", ":1:2: unclosed left paren"],
  ["{{ }}", ":1:3: missing value for command"],
  ["{{.Name |}}", ":1:9: unexpected end of action"],
  ["{{1 | 2}}", ':1:6: executing "" at <2>: can\'t give argument to non-function 2'],
  ["{{1 | .}}", ':1:6: executing "" at <.>: can\'t give argument to non-function .'],
  ["{{1 | nil}}", ':1:6: executing "" at <nil>: nil is not a command'],
  ['{{"a".b}}', ':1:5: executing "" at <"a".b>: can\'t evaluate field b in type string'],
  ["{{'ab'}}", ":1:2: a text has double quotes or backquotes, and not single quotes"],
  ['{{"\\c"}}', ':1:2: bad string syntax: "\\c"'],
  ['{{"\\101"}}', ':1:2: bad string syntax: "\\101"'],
  ...["089", "0755", "0b101", "0o17", "1_000", "1e3", "5.", "-0x10"].map((number) =>
    [`{{${number}}}`, `:1:2: bad number syntax: ${number}`] satisfies [string, string]
  ),
  ["{{if .Name}}", ":1:2: unexpected EOF: {{if}} has no {{end}}"],
  ["{{if 1}}{{end 1}}", ':1:14: unexpected "1" in action'],
  ["{{if 1}}{{else end}}", ':1:15: unexpected "end" in action'],
  ["{{end}}", ":1:2: unexpected {{end}}"],
  ["{{if .Name}}{{else}}{{else}}{{end}}", ":1:22: expected end; found {{else}}"],
  ["{{break}}", ":1:2: {{break}} outside {{range}}"],
  ["{{range .None}}{{break 1}}{{end}}", ':1:23: unexpected "1" in action'],
  ["{{/* open }}", ":1:2: unclosed comment"],
  ["{{/*/}}", ":1:2: unclosed comment"],
  ["{{/* c */-}}", ':1:9: unexpected "-" in action'],
  ['{{template "x"}}', ":1:2: {{template}} is not supported: write one template"],
  ["{{(((".padEnd(300, "(") + "}}", ":1:102: nested deeper than 100 levels"],
];

Deno.test("a refused template says where and why, in one line", () => {
  for (const [template, message] of REFUSED) {
    assertEquals(print(template), `!template: ${message}`, template);
  }
});

Deno.test("a field may be wide, and a number has 100 digits behind its point", () => {
  assertEquals(print('{{len (printf "%1000000d%.1000000s" 1 "a")}}'), "1000001");
  assertEquals(print('{{len (pad "a" 1000000 1000000)}}'), "2000001");
  assertEquals(print('{{printf "%.101f" 0.5}}'), "0.5".padEnd(102, "0"));
});

Deno.test("a map gives the zero value of its values' type for a missing key, and counts as true", () => {
  for (const [value, zero] of [["a", ""], [[], "<nil>"], [{}, "<nil>"]]) {
    const map = new Map([["a", value as Value]]);
    assertEquals(print('{{index .Map "b"}}{{if .Map}}!{{end}}', { Map: map }), `${zero}!`);
  }
});

Deno.test("a text is quoted as in JSON, and has any character but a half of one", () => {
  assertEquals(print(String.raw`{{printf "%q" "a\n\x00\"b"}}`), String.raw`"a\n\u0000\"b"`);
  assertEquals(print('{{"a\tb\nc\x1b"}}'), "a\tb\nc\x1b");
  assertEquals(print(String.raw`{{"\ud7ff\ue000"}}`), "\ud7ff\ue000");
  assert(print(String.raw`{{"\ud800"}}`).startsWith("!"));
  assert(print(String.raw`{{"\udfff"}}`).startsWith("!"));
});

Deno.test("a template sees no field that every object has", () => {
  for (const name of ["constructor", "toString", "__proto__", "hasOwnProperty", "size", "length"]) {
    assert(print(`{{.${name}}}`).startsWith("!"), name);
    assert(print(`{{.State.${name}}}`).startsWith("!"), name);
    assertEquals(print(`{{.Labels.${name}}}`), "<no value>");
    assertEquals(print(`{{index .Labels "${name}"}}`), "");
    assert(print(`{{${name} 1}}`).startsWith("!"), name);
  }
});

Deno.test("a template that would take very long or print very much is refused soon", () => {
  const Items = Array.from({ length: 1000 }, () => "x".repeat(100));
  for (
    const template of [
      "{{range .Items}}{{range $.Items}}{{range $.Items}}{{range $.Items}}{{end}}{{end}}{{end}}{{end}}",
      "{{range .Items}}{{range $.Items}}{{range $.Items}}text{{end}}{{end}}{{end}}",
      "{{$x := .Items}}{{range .Items}}{{$x = print $x $x}}{{end}}",
      '{{$x := pad "x" 1000000 0}}{{range .Items}}{{$y := join $.Items $x}}{{end}}',
      '{{printf "%999999s" .Items}}',
      `{{range split (pad "x" 100000 0) ""}}${"x".repeat(1000)}{{end}}`,
      '{{$x := split (pad "x" 9999 0) ""}}{{range $x}}{{range $x}}{{end}}{{end}}',
      '{{$x := split (pad "x" 999999 0) ""}}{{range .Items}}{{$y := len (print $x)}}{{end}}',
    ]
  ) {
    const message = print(template, { Items });
    assert(/^!.*(too long|too much)/.test(message), `${template}: ${message.slice(0, 100)}`);
  }
  // What counts: the text that is printed, the arguments of functions, and their results.
  for (const action of ["{{$x}}", "{{$y := len $x}}", '{{$y := pad "x" 1000000 0}}']) {
    const message = print(`{{$x := pad "x" 1000000 0}}${action.repeat(17)}`);
    assert(message.startsWith('!template: :1:0: executing "" at <{{$x'), message.slice(0, 100));
    assert(message.endsWith("…>: it takes too long or prints too much"), message.slice(0, 200));
  }
  const long = print('{{join .Items ""}}', { Items: Array(17).fill("x".repeat(1_000_000)) });
  assert(long.endsWith("it takes too long or prints too much"), long.slice(0, 200));
});

/** Words of which templates are made, so that many of them are nearly right. */
const WORDS = [
  ..."{{ }} {{- -}} {{/* */}} ( ) | , := = . $ $x $i .Name .State.Pid .Labels .Labels.tier".split(
    " ",
  ),
  ...".Networks .Config .None .Nil .Any .Subnet .Nope . range if else end with break nil".split(
    " ",
  ),
  ...'true index len print printf json join slice eq lt and or not "a" "%v%5d%q" `r` 0 -1'.split(
    " ",
  ),
  ...["'c'", "1.5", "0x1F", "99999999999999999999", "\\", '"', "`", "é", "\u{1f600}", "\ud800"],
  ...[" ", " ", " ", "\n", "\0"],
];

Deno.test("no template throws anything but its own error", () => {
  const words = fc.array(fc.constantFrom(...WORDS), { maxLength: 30 });
  const template = fc.oneof(
    { weight: 3, arbitrary: words.map((words) => words.join("")) },
    { weight: 3, arbitrary: words.map((words) => `{{${words.join(" ")}}}`) },
    { weight: 1, arbitrary: fc.string({ unit: "binary" }).map((text) => `{{${text}}}`) },
  );
  fc.assert(fc.property(template, (template) => void print(template)), { numRuns: 20_000 });
});

Deno.test("JSON has the keys of maps in order, no methods, and every digit", () => {
  const value = {
    Map: new Map(Object.entries({ c: undefined, b: [], 10: null, 2: {} })),
    Big: (1n << 64n) - 1n,
    Missing: undefined,
    Method: () => "",
    __proto__: null,
  };
  const map = '{"10":null,"2":{},"b":[],"c":null}';
  assertEquals(toJson(value), `{"Map":${map},"Big":18446744073709551615}`);
  assertEquals(
    JSON.stringify(JSON.parse(toJson(DATA, "    "))),
    JSON.stringify(JSON.parse(toJson(DATA))),
  );
  const plain = { a: [1, { b: "x\n" }, [], {}], c: { d: true } };
  assertEquals(toJson(plain, "    "), JSON.stringify(plain, null, 4));
});

Deno.test("the functions of a header leave the names of columns as they are", () => {
  const template = new Template(
    '{{upper .Name}}\t{{json .Id}}\t{{join .Id ","}}\t{{truncate .Id 2}}',
  );
  const headers = { Name: "Name", Id: "Network id" };
  assertEquals(
    template.print(headers, HEADER_FUNCTIONS),
    "Name\tNetwork id\tNetwork id\tNetwork id",
  );
  assertThrowsError(() => template.print({ Name: 5, Id: "" }), "template");
});
