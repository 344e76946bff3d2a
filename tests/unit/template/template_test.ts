import { assert, assertEquals, assertMatch } from "@std/assert";
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

/** Templates that are refused: the column, and what is wrong there. */
const REFUSED: [template: string, message: string][] = [
  ["{{.Nope}}", ':1:2: executing "" at <.Nope>: can\'t evaluate field Nope (did you mean "None"?)'],
  ["é\n é {{.State.Nope}}", ':2:6: executing "" at <.State.Nope>: can\'t evaluate field Nope'],
  ["{{.Nil.Status}}", ':1:2: executing "" at <.Nil.Status>: can\'t evaluate field Status in nil'],
  ["{{.State.Pid.x}}", ':1:2: executing "" at <.State.Pid.x>: can\'t evaluate field x in number'],
  [
    "{{with .Name}}{{.Nope}}{{end}}",
    ':1:16: executing "" at <.Nope>: can\'t evaluate field Nope in string',
  ],
  ['{{"a".b}}', ':1:2: executing "" at <"a".b>: can\'t evaluate field b in string'],
  [
    '{{(index .Networks "nope").IPAddress}}',
    ':1:2: executing "" at <(index .Networks "nope").IPAddress>: can\'t evaluate field IPAddress in nil',
  ],
  ["{{lower 5}}", ':1:2: executing "" at <lower 5>: expected string; got number'],
  ["{{5 | .Label}}", ':1:6: executing "" at <.Label>: expected string; got number'],
  ["{{printf}}", ':1:2: executing "" at <printf>: expected string; got nil'],
  ["{{lower}}", ':1:2: executing "" at <lower>: lower needs 1 arguments, and not 0'],
  ["{{lower 1 2}}", ':1:2: executing "" at <lower 1 2>: lower needs 1 arguments, and not 2'],
  ["{{.Label}}", ':1:2: executing "" at <.Label>: Label needs 1 arguments, and not 0'],
  ['{{.Name "x"}}', ':1:2: executing "" at <.Name "x">: Name needs 0 arguments, and not 1'],
  ['{{"x" | .Name}}', ':1:8: executing "" at <.Name>: Name needs 0 arguments, and not 1'],
  [
    '{{.Labels.tier "x"}}',
    ':1:2: executing "" at <.Labels.tier "x">: tier needs 0 arguments, and not 1',
  ],
  ...["1", '"x"', "true", ".", "$", "nil"].map((term) =>
    [
      `{{${term} 2}}`,
      `:1:2: executing "" at <${term} 2>: only a function has arguments`,
    ] satisfies [
      string,
      string,
    ]
  ),
  ["{{1 | 2}}", ':1:6: executing "" at <2>: only a function has arguments'],
  [
    '{{pad "a" 1.5 0}}',
    ':1:2: executing "" at <pad "a" 1.5 0>: expected a whole number from 0; got 1.5',
  ],
  [
    '{{pad "a" 0 -1}}',
    ':1:2: executing "" at <pad "a" 0 -1>: expected a whole number from 0; got -1',
  ],
  ["{{index .Config 2}}", ':1:2: executing "" at <index .Config 2>: index out of range: 2'],
  ['{{index "abc" 3}}', ':1:2: executing "" at <index "abc" 3>: index out of range: 3'],
  [
    "{{index .Config -1}}",
    ':1:2: executing "" at <index .Config -1>: expected a whole number from 0; got -1',
  ],
  ["{{index .Labels 1}}", ':1:2: executing "" at <index .Labels 1>: expected string; got number'],
  [
    '{{index .Nil "a"}}',
    ':1:2: executing "" at <index .Nil "a">: expected list, map or string; got nil',
  ],
  ["{{and 1 (index .Config 9)}}", ':1:9: executing "" at <index .Config 9>: index out of range: 9'],
  ["{{len 5}}", ':1:2: executing "" at <len 5>: expected list, map or string; got number'],
  ['{{join .Name ","}}', ':1:2: executing "" at <join .Name ",">: expected list; got string'],
  ["{{eq .Name 1}}", ':1:2: executing "" at <eq .Name 1>: cannot compare string with number'],
  ["{{eq .None .None}}", ':1:2: executing "" at <eq .None .None>: cannot compare list with list'],
  [
    "{{lt true false}}",
    ':1:2: executing "" at <lt true false>: cannot compare boolean with boolean',
  ],
  ["{{range 5}}{{end}}", ':1:8: executing "" at <5>: range can\'t iterate over number'],
  ["{{range .State}}{{end}}", ':1:8: executing "" at <.State>: range can\'t iterate over struct'],
  ['{{printf "%d" "x"}}', ':1:2: executing "" at <printf "%d" "x">: %d does not fit x'],
  ['{{printf "%s" 5}}', ':1:2: executing "" at <printf "%s" 5>: %s does not fit 5'],
  ['{{printf "%05d" 5}}', ':1:2: executing "" at <printf "%05d" 5>: %0 does not fit 5'],
  ['{{printf "%d"}}', ':1:2: executing "" at <printf "%d">: no value for %d'],
  ['{{printf "x" 5 6}}', ':1:2: executing "" at <printf "x" 5 6>: 2 values too many'],
  ["{{lenn .Name}}", ':1:2: function "lenn" not defined (did you mean "len"?)'],
  ["{{print if}}", ':1:8: function "if" not defined'],
  ["{{range .None}}{{break}}{{end}}", ':1:17: function "break" not defined'],
  ["{{$x}}", ':1:2: undefined variable "$x"'],
  ["{{$x = 1}}", ':1:2: undefined variable "$x"'],
  ["{{if 0}}{{$x := 1}}{{else}}{{$x}}{{end}}", ':1:29: undefined variable "$x"'],
  ["{{$a, $b := 1}}", ":1:2: only range has two variables"],
  ...["{{", "{{.Name}", '{{"abc}}', "{{`abc}}"].map((template) =>
    [template, ":1:2: unclosed action, comment or text"] satisfies [string, string]
  ),
  ["{{/* open }}", ":1:2: unexpected /"],
  ["{{.Name#}}", ":1:7: unexpected #"],
  ['{{.Name"a"}}', ':1:7: unexpected "a"'],
  ["{{'ab'}}", ":1:2: unexpected '"],
  ["{{1)}}", ":1:3: unexpected )"],
  ["{{(1}}", ":1:2: unclosed left paren"],
  ["{{ }}", ":1:3: unexpected end of action"],
  ["{{.Name |}}", ":1:9: unexpected end of action"],
  ...['"\\c"', '"\\101"', "089", "0755", "0x1f", "1_000", "5."].map((literal) =>
    [`{{${literal}}}`, `:1:2: no text or number of JSON: ${literal}`] satisfies [string, string]
  ),
  ["{{if .Name}}", ":1:2: {{if}} has no {{end}}"],
  ["{{if .Name}}{{else}}{{else}}{{end}}", ":1:2: {{if}} has no {{end}}"],
  ["{{if 1}}{{end 1}}", ":1:14: unexpected 1"],
  ["{{if 1}}{{else end}}", ":1:15: unexpected end"],
  ["{{end}}", ":1:2: unexpected end"],
];

Deno.test("a refused template says where and why, in one line", () => {
  for (const [template, message] of REFUSED) {
    assertEquals(print(template), `!template: ${message}`, template);
  }
});

Deno.test("a template that nests too deeply, or prints too much, is refused", () => {
  const many = (text: string) => text.repeat(100_000);
  const ifs = many("{{if 1}}");
  const refused = [
    `{{${many("(")}1${many(")")}}}`,
    `${ifs}${many("{{end}}")}`,
    `{{if 1}}${many("{{else if 1}}")}{{end}}`,
    '{{pad "a" 0 99999999999}}',
  ];
  for (const template of refused) {
    assertMatch(print(template), /^!template: :1:\d+: nested too deeply, or too much to print$/);
  }
});

Deno.test("a map gives the zero value of its values' type for a missing key, and counts as true", () => {
  for (const [value, zero] of [["a", ""], [[], "<nil>"], [{}, "<nil>"]]) {
    const map = new Map([["a", value as Value]]);
    assertEquals(print('{{index .Map "b"}}{{if .Map}}!{{end}}', { Map: map }), `${zero}!`);
  }
});

Deno.test("a text is quoted as in JSON, and may have a tab and a line end as they are", () => {
  assertEquals(print(String.raw`{{printf "%q" "a\n\u0000\"b"}}`), String.raw`"a\n\u0000\"b"`);
  assertEquals(print('{{"a\tb\nc"}}'), "a\tb\nc");
  assertEquals(print(String.raw`{{"\ud7ff\ue000"}}`), "\ud7ff\ue000");
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
