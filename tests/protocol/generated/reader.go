// Read each example into the generated type that it names, write it again, and compare what both mean.
//
// Argument: a file with one example a line: a type and its JSON, with a tab between. Unknown fields fail.
// Prints "ok" or why not, a line for each.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"

	"relevo/api"
	"relevo/events"
)

var models = map[string]func() any{
	// MODELS
}

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, text, _ := strings.Cut(lines.Text(), "\t")
		fmt.Println(read(name, text))
	}
}

func read(name, text string) string {
	value := models[name]()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return name + ": " + err.Error()
	}
	written, err := json.Marshal(value)
	if err != nil {
		return name + ": " + err.Error()
	}
	if !reflect.DeepEqual(meaning([]byte(text)), meaning(written)) {
		return name + " wrote " + string(written)
	}
	return "ok"
}

// Return a document without null fields and empty lists, which `omitempty` leaves out, and with numbers as written.
func meaning(text []byte) any {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return err
	}
	return withoutEmpty(value)
}

func withoutEmpty(value any) any {
	switch part := value.(type) {
	case map[string]any:
		for name, each := range part {
			list, isList := each.([]any)
			if each == nil || isList && len(list) == 0 {
				delete(part, name)
			} else {
				part[name] = withoutEmpty(each)
			}
		}
	case []any:
		for i, each := range part {
			part[i] = withoutEmpty(each)
		}
	}
	return value
}
