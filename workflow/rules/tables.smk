# Every table and figure that is made from metrics files; workflow/reports.py says what each is made from.
for _name, _report in REPORTS.items():

    rule:
        name:
            _name
        input:
            unpack(inputs_of(_name)),
        output:
            **outputs_of(_name),
        log:
            layout.log_of(_name),
        benchmark:
            layout.benchmark_of(_name)
        localrule: True
        threads: 1
        resources:
            mem_mb=_report.mem_mb,
            runtime="10m",
        params:
            **told(_name),
            wanted=wanted_metrics,
            report=_name,
            files=options_of(_name),
        message:
            message_of(_name)
        shell:
            SHELL
