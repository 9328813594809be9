"""Faults of every transaction and guide kind, each in a message made for it: a good body, and what spoils it.

`base` and `fault` are paths below the body (see `made.spread`); `-path` takes an element away.
"""

from __future__ import annotations

from typing import NamedTuple


class Made(NamedTuple):
    """One fault: in the good message its code is absent; in the spoilt one it stands at a place with this ending."""

    code: str
    transaction: str
    base: str
    fault: str
    where: str


LOT, ANNEX, ASK = "ENVIO_LOTE_GUIAS", "ENVIO_ANEXO", "SOLICITACAO_PROCEDIMENTOS"
SADT = "guiasTISS/guiaSP-SADT"
STAY = "guiasTISS/guiaResumoInternacao"
FEE = "guiasTISS/guiaHonorarios"
DENTAL = "guiasTISS/guiaOdonto"
QUIMIO = "AnexosGuiasTISS/anexoSolicitacaoQuimio"
RADIO = "AnexosGuiasTISS/anexoSolicitacaoRadio"
OPME = "AnexosGuiasTISS/anexoSolicitacaoOPME"
INITIAL = "AnexosGuiasTISS/anexoSituacaoInicial"
CURE = "31005497"  # a surgical code
SI = "procedimentosExecutados/procedimentoExecutado"
CUT = f"{SI}/procedimento/codigoProcedimento={CURE}"
TEAM = f"{SADT}/{SI}/equipeSadt"
CREW = f"{STAY}/{SI}/identEquipe"
HAND = f"{FEE}/procedimentosRealizados/procedimentoRealizado"
AUT = "autorizacaoServico"
MED = "guiaRecursoGlosa"
ITEM = f"{MED}/opcaoRecurso/recursoGuia/opcaoRecursoGuia/itensGuia"
TOOTH = f"{DENTAL}/procedimentosExecutados"
DIAG = "diagnosticoOncologicoQuimioterapia/diagQuimio"
COST = f"{SADT}/outrasDespesas/despesa"
ANSWER = "reciboGlosa/opcaoRecurso/recursoGuia"
PAY, DAY = "demonstrativoPagamento", "demonstrativoPagamento/pagamentos/pagamentosPorData"
BILL = "demonstrativoAnaliseConta"
ROW = f"{BILL}/dadosConta/dadosProtocolo/relacaoGuias"

FAULTS = [
    Made("identifier.council", LOT, f"{SADT}/{CUT} {TEAM}/grauPart=00", f"{TEAM}/numeroConselhoProfissional=SP12", "numeroConselhoProfissional"),
    Made("identifier.council", LOT, f"{STAY}/{CUT} {CREW}/identificacaoEquipe/grauPart=00 {CREW}/identificacaoEquipe/numeroConselhoProfissional=1", f"{CREW}/identificacaoEquipe/numeroConselhoProfissional=CRM1", "numeroConselhoProfissional"),
    Made("identifier.council", LOT, f"{HAND}/profissionais/numeroConselhoProfissional=1", f"{HAND}/profissionais/numeroConselhoProfissional=X", "numeroConselhoProfissional"),
    Made("identifier.anvisa", LOT, f"{COST}/codigoDespesa=08 {COST}/servicosExecutados/registroANVISA=80145901234", f"{COST}/servicosExecutados/registroANVISA=8014", "registroANVISA"),
    Made("table.opme-reference", LOT, f"{COST}/codigoDespesa=08 {COST}/servicosExecutados/codigoRefFabricante=R7", f"-{COST}/servicosExecutados/codigoRefFabricante", "codigoRefFabricante"),
    Made("identifier.anvisa", ANNEX, f"{OPME}/opmeSolicitadas/opmeSolicitada/registroANVISA=80145901234", f"{OPME}/opmeSolicitadas/opmeSolicitada/registroANVISA=A1", "registroANVISA"),
    Made("header.body-operator", ANNEX, f"{OPME}/cabecalhoAnexo/numeroGuiaAnexo=1", f"{OPME}/cabecalhoAnexo/registroANS=005711", "cabecalhoAnexo/registroANS"),
    Made("header.body-operator", ASK, "solicitacaoInternacao/numeroGuiaPrestador=1", "solicitacaoInternacao/registroANS=005711", "solicitacaoInternacao/registroANS"),
    Made("table.section", LOT, f"{SADT}/{SI}/sequencialItem=1", f"{SADT}/{SI}/procedimento/codigoTabela=19 {SADT}/{SI}/procedimento/codigoProcedimento=EXPENSE19", "procedimento/codigoTabela"),
    Made("table.technique", LOT, f"{SADT}/{CUT} {SADT}/{SI}/tecnicaUtilizada=1", f"-{SADT}/{SI}/tecnicaUtilizada", "tecnicaUtilizada"),
    Made("table.technique", LOT, f"{STAY}/{CUT} {STAY}/{SI}/tecnicaUtilizada=1", f"-{STAY}/{SI}/tecnicaUtilizada", "tecnicaUtilizada"),
    Made("table.technique", LOT, f"{HAND}/procedimento/codigoProcedimento={CURE} {HAND}/tecnicaUtilizada=1", f"-{HAND}/tecnicaUtilizada", "tecnicaUtilizada"),
    Made("table.route", LOT, f"{SADT}/{CUT} {SADT}/{SI}/viaAcesso=1", f"-{SADT}/{SI}/viaAcesso", "viaAcesso"),
    Made("table.route", LOT, f"{HAND}/procedimento/codigoProcedimento={CURE} {HAND}/viaAcesso=1", f"-{HAND}/viaAcesso", "viaAcesso"),
    Made("table.route-several", LOT, f"{STAY}/{SI}[1]/procedimento/codigoProcedimento={CURE} {STAY}/{SI}[2]/procedimento/codigoProcedimento={CURE} {STAY}/{SI}[1]/viaAcesso=2 {STAY}/{SI}[2]/viaAcesso=2", f"-{STAY}/{SI}[2]/viaAcesso", "procedimentoExecutado[2]/viaAcesso"),
    Made("table.degree", LOT, f"{SADT}/{CUT} {TEAM}/grauPart=00", f"-{TEAM}", "equipeSadt/grauPart"),
    Made("table.degree", LOT, f"{STAY}/{CUT} {CREW}/identificacaoEquipe/grauPart=00", f"-{CREW}", "identEquipe/identificacaoEquipe/grauPart"),
    Made("table.sex", ANNEX, f"{QUIMIO}/{DIAG}/diagnosticoCID=C61 {QUIMIO}/dadosComplementaresBeneficiario/sexo=1", f"{QUIMIO}/dadosComplementaresBeneficiario/sexo=3", "diagnosticoCID"),
    Made("table.sex", ANNEX, f"{RADIO}/diagnosticoOncologicoRadio/diagRadio/diagnosticoCID=C539 {RADIO}/dadosComplementaresBeneficiario/sexo=3", f"{RADIO}/dadosComplementaresBeneficiario/sexo=1", "diagnosticoCID"),
    Made("table.age", ANNEX, f"{QUIMIO}/{DIAG}/diagnosticoCID=O010 {QUIMIO}/dadosComplementaresBeneficiario/idade=30 {QUIMIO}/dadosComplementaresBeneficiario/sexo=3", f"{QUIMIO}/dadosComplementaresBeneficiario/idade=90", "diagnosticoCID"),
    Made("table.sex-mixed", LOT, f"{SADT}/{SI}[1]/procedimento/codigoProcedimento=31201016 {SADT}/{SI}[2]/procedimento/codigoProcedimento=31201016", f"{SADT}/{SI}[2]/procedimento/codigoProcedimento=31301010", "procedimentoExecutado[2]/procedimento/codigoProcedimento"),
    Made("table.sex-mixed", LOT, f"{STAY}/dadosSaidaInternacao/diagnostico=N40 {STAY}/{SI}/procedimento/codigoProcedimento=31201016", f"{STAY}/dadosSaidaInternacao/diagnostico=O800", "procedimento/codigoProcedimento"),
    Made("table.tooth", LOT, f"{TOOTH}/procSolic/codigoProcedimento=85200166 {TOOTH}/denteRegiao/codDente=11", f"-{TOOTH}/denteRegiao", "denteRegiao/codDente"),
    Made("table.tooth", ASK, "solicitacaoOdontologia/procedimentosSolicitados/procSolic/codigoProcedimento=82000875 solicitacaoOdontologia/procedimentosSolicitados/denteRegiao/codDente=11", "-solicitacaoOdontologia/procedimentosSolicitados/denteRegiao", "denteRegiao/codDente"),
    Made("table.faces", LOT, f"{TOOTH}/procSolic/codigoProcedimento=85100200 {TOOTH}/denteRegiao/codDente=16 {TOOTH}/denteFace=OM", f"{TOOTH}/denteFace=O", "denteFace"),
    Made("table.dentition", LOT, f"{TOOTH}/procSolic/codigoProcedimento=83000089 {TOOTH}/denteRegiao/codDente=55", f"{TOOTH}/denteRegiao/codDente=16", "codDente"),
    Made("table.dentition", LOT, f"{TOOTH}/procSolic/codigoProcedimento=82000875 {TOOTH}/denteRegiao/codDente=16", f"{TOOTH}/denteRegiao/codDente=71", "codDente"),
    Made("table.face", LOT, f"{TOOTH}/denteFace=V {TOOTH}/denteRegiao/codDente=16", f"-{TOOTH}/denteRegiao", "codDente"),
    Made("table.face", ASK, "solicitacaoOdontologia/procedimentosSolicitados/denteFace=V solicitacaoOdontologia/procedimentosSolicitados/denteRegiao/codDente=16", "-solicitacaoOdontologia/procedimentosSolicitados/denteRegiao", "codDente"),
    Made("table.face-letter", LOT, f"{TOOTH}/denteFace=P {TOOTH}/denteRegiao/codDente=16", f"{TOOTH}/denteFace=L", "denteFace"),
    Made("table.face-letter", LOT, f"{TOOTH}/denteFace=I {TOOTH}/denteRegiao/codDente=31", f"{TOOTH}/denteFace=O", "denteFace"),
    Made("table.second-professional", LOT, f"{DENTAL}/dadosProfissionaisResponsaveis/nomeProfSolic=Ana {DENTAL}/dadosProfissionaisResponsaveis/croSolic=1 {DENTAL}/dadosProfissionaisResponsaveis/ufSolic=35", f"-{DENTAL}/dadosProfissionaisResponsaveis/croSolic", "croSolic"),
    Made("table.death-cause", LOT, f"{STAY}/dadosInternacao/declaracoes/declaracaoObito=123 {STAY}/dadosInternacao/declaracoes/diagnosticoObito=J189", f"-{STAY}/dadosInternacao/declaracoes/diagnosticoObito", "diagnosticoObito"),
    Made("table.declaration", LOT, f"{STAY}/dadosInternacao/declaracoes/declaracaoObito=123 {STAY}/dadosInternacao/declaracoes/indicadorDORN=S", f"-{STAY}/dadosInternacao/declaracoes/declaracaoObito", "declaracaoObito"),
    Made("table.diagnosis", LOT, f"{STAY}/dadosSaidaInternacao/diagnostico=J189 {STAY}/dadosSaidaInternacao/motivoEncerramento=41", f"-{STAY}/dadosSaidaInternacao/diagnostico", "dadosSaidaInternacao/diagnostico"),
    Made("table.diagnosis", ANNEX, f"{QUIMIO}/{DIAG}/diagnosticoCID=C509", f"-{QUIMIO}/{DIAG}/diagnosticoCID", "diagnosticoCID"),
    Made("table.death", LOT, f"{STAY}/dadosInternacao/declaracoes/declaracaoObito=123 {STAY}/dadosSaidaInternacao/motivoEncerramento=42", f"-{STAY}/dadosInternacao/declaracoes", "declaracoes/declaracaoObito"),
    Made("table.birth", LOT, f"{STAY}/dadosInternacao/declaracoes/declaracaoNascido=123 {STAY}/dadosSaidaInternacao/motivoEncerramento=61", f"-{STAY}/dadosInternacao/declaracoes", "declaracoes/declaracaoNascido"),
    Made("table.obstetric", LOT, f"{STAY}/dadosInternacao/tipoInternacao=3 {STAY}/dadosSaidaInternacao/motivoEncerramento=61", f"{STAY}/dadosInternacao/tipoInternacao=1", "tipoInternacao"),
    Made("table.part-billed", LOT, f"{STAY}/dadosInternacao/tipoFaturamento=1 {STAY}/dadosSaidaInternacao/motivoEncerramento=21", f"{STAY}/dadosSaidaInternacao/motivoEncerramento=12", "motivoEncerramento"),
    Made("table.part-billed", LOT, f"{STAY}/dadosInternacao/tipoFaturamento=4", f"{STAY}/dadosSaidaInternacao/motivoEncerramento=23", "motivoEncerramento"),
    Made("table.opme-annex", ASK, "solicitacaoInternacao/dadosInternacao/indicadorOPME=N", "solicitacaoInternacao/dadosInternacao/indicadorOPME=S", "anexoClinico/solicitacaoOPME/cabecalhoAnexo/numeroGuiaAnexo"),
    Made("table.chemo-annex", ASK, "solicitacaoInternacao/dadosInternacao/indicadorQuimio=N", "solicitacaoInternacao/dadosInternacao/indicadorQuimio=S", "anexoClinico/solicitacaoQuimioterapia/cabecalhoAnexo/numeroGuiaAnexo"),
    Made("table.treatment-date", ANNEX, f"{QUIMIO}/tratamentosAnteriores/cirurgia=x {QUIMIO}/tratamentosAnteriores/datacirurgia=2026-01-01", f"-{QUIMIO}/tratamentosAnteriores/datacirurgia", "datacirurgia"),
    Made("table.treatment-date", ANNEX, f"{RADIO}/tratamentosAnteriores/quimioterapia=x {RADIO}/tratamentosAnteriores/dataQuimioterapia=2026-01-01", f"-{RADIO}/tratamentosAnteriores/dataQuimioterapia", "dataQuimioterapia"),
    Made("table.ending", "COMUNICACAO_BENEFICIARIO", "tipoEvento=A dadosInternacao/motivoEncerramento=12", "-dadosInternacao/motivoEncerramento dadosInternacao/tipoInternacao=1", "motivoEncerramento"),
    Made("table.ending", "COMUNICACAO_BENEFICIARIO", "tipoEvento=I dadosInternacao/tipoInternacao=1", "dadosInternacao/motivoEncerramento=12", "motivoEncerramento"),
    Made("date.asked", "COMUNICACAO_BENEFICIARIO", "tipoEvento=A dadosInternacao/motivoEncerramento=12", "dataEvento=2026-12-01", "dataEvento"),
    Made("table.document-format", "ENVIO_DOCUMENTO", "numeroGuiaPrestador=1", "formatoDocumento=03", "formatoDocumento"),
    Made("table.document-empty", "ENVIO_DOCUMENTO", "numeroGuiaPrestador=1", "documento=_", "documento"),
    Made("table.document-link", "ENVIO_DOCUMENTO", "numeroGuiaPrestador=1", "-numeroGuiaPrestador", "numeroGuiaPrestador"),
    Made("table.appeal-object", "RECURSO_GLOSA", f"{MED}/objetoRecurso=2 {ITEM}/sequencialItem=1", f"{MED}/objetoRecurso=1", "recursoProtocolo/codigoGlosaProtocolo"),
    Made("sum.appeal", "RECURSO_GLOSA", f"{MED}/objetoRecurso=2 {ITEM}/valorRecursado=5 {MED}/valorTotalRecursado=5.00", f"{MED}/valorTotalRecursado=5.01", "valorTotalRecursado"),
    Made("sum.positive", "RECURSO_GLOSA", f"{MED}/objetoRecurso=2 {ITEM}/valorRecursado=5 {MED}/valorTotalRecursado=5.00", f"{ITEM}/valorRecursado=0", "valorRecursado"),
    Made("date.appeal", "RECURSO_GLOSA", f"{ITEM}/dataInicio=2026-10-01 {ITEM}/dataFim=2026-10-02", f"{ITEM}/dataFim=2026-09-30", "dataFim"),
    Made("date.asked", "RECURSO_GLOSA", f"{ITEM}/sequencialItem=1", f"{MED}/dataRecurso=2027-01-01", "dataRecurso"),
    Made("duplicate.appeal", "RECURSO_GLOSA", f"{ITEM}[1]/sequencialItem=1 {ITEM}[2]/sequencialItem=2", f"{ITEM}[2]/sequencialItem=1", "itensGuia[2]/sequencialItem"),
    Made("duplicate.appealed-guide", "RECURSO_GLOSA", "guiaRecursoGlosaOdonto/opcaoRecurso/recursoGuia[1]/numeroGuiaPrestador=1 guiaRecursoGlosaOdonto/opcaoRecurso/recursoGuia[2]/numeroGuiaPrestador=2", "guiaRecursoGlosaOdonto/opcaoRecurso/recursoGuia[2]/numeroGuiaPrestador=1", "recursoGuia[2]/numeroGuiaPrestador"),
    Made("table.code", "RECURSO_GLOSA", f"{ITEM}/sequencialItem=1", f"{ITEM}/procRecurso/codigoProcedimento=10101013", "codigoProcedimento"),
    Made("table.granted", "RESPOSTA_SOLICITACAO", f"{AUT}/statusSolicitacao=1 {AUT}/dadosAutorizacao/senha=1 {AUT}/dadosAutorizacao/dataAutorizacao=2026-11-01", f"-{AUT}/dadosAutorizacao/senha", "dadosAutorizacao/senha"),
    Made("table.refused", "RESPOSTA_SOLICITACAO", f"{AUT}/statusSolicitacao=2", f"{AUT}/statusSolicitacao=3", "motivosNegativa/codigoGlosa"),
    Made("table.refused", "SITUACAO_ELEGIBILIDADE", "reciboElegibilidade/respostaSolicitacao=S", "reciboElegibilidade/respostaSolicitacao=N", "codigoGlosa"),
    Made("date.password-order", "RESPOSTA_SOLICITACAO", f"{AUT}/dadosAutorizacao/dataAutorizacao=2026-11-01 {AUT}/dadosAutorizacao/dataValidadeSenha=2026-12-01", f"{AUT}/dadosAutorizacao/dataValidadeSenha=2026-10-01", "dataValidadeSenha"),
    Made("sum.authorised", "RESPOSTA_SOLICITACAO", f"{AUT}/servicosAutorizados/servicoAutorizado/quantidadeSolicitada=2 {AUT}/servicosAutorizados/servicoAutorizado/quantidadeAutorizada=2", f"{AUT}/servicosAutorizados/servicoAutorizado/quantidadeAutorizada=3", "quantidadeAutorizada"),
    Made("sum.granted", "RESPOSTA_RECURSO_GLOSA", f"{ANSWER}/respostaGuiaItens/valorRecursado=5 {ANSWER}/respostaGuiaItens/valorAcatadado=5", f"{ANSWER}/respostaGuiaItens/valorAcatadado=6", "valorAcatadado"),
    Made("date.receipt", "RECEBIMENTO_RECURSO_GLOSA", "protocoloRecebimento/dataEnvioRecurso=2026-11-01", "protocoloRecebimento/dataRecebimentoRecurso=2026-10-01", "dataRecebimentoRecurso"),
    Made("table.period", "SOLIC_DEMONSTRATIVO_RETORNO", "demonstrativoPagamento/periodo/dataPagamento=2026-11-01", "demonstrativoPagamento/periodo/competencia=202610", "competencia"),
    Made("date.asked", "SOLIC_DEMONSTRATIVO_RETORNO", "demonstrativoPagamento/periodo/dataPagamento=2026-11-01", "demonstrativoPagamento/dataSolicitacao=2027-01-01", "dataSolicitacao"),
    Made("duplicate.protocol", "SOLIC_DEMONSTRATIVO_RETORNO", "demonstrativoAnalise/protocolos/numeroProtocolo[1]=1 demonstrativoAnalise/protocolos/numeroProtocolo[2]=2", "demonstrativoAnalise/protocolos/numeroProtocolo[2]=1", "numeroProtocolo[2]"),
    Made("date.card", "VERIFICA_ELEGIBILIDADE", "validadeCarteira=2027-01-01", "validadeCarteira=2026-01-01", "validadeCarteira"),
    Made("duplicate.guide", "CANCELA_GUIA", "tipoCancelamento/tipoCancelamentoGuia[1]/numeroGuiaPrestador=1 tipoCancelamento/tipoCancelamentoGuia[2]/numeroGuiaPrestador=2", "tipoCancelamento/tipoCancelamentoGuia[2]/numeroGuiaPrestador=1", "tipoCancelamentoGuia[2]/numeroGuiaPrestador"),
    Made("sum.dental", LOT, f"{TOOTH}/valorProc=5 {DENTAL}/valorTotalProc=5", f"{DENTAL}/valorTotalProc=6", "valorTotalProc"),
    Made("sum.positive", LOT, f"{TOOTH}/qtdProc=1", f"{TOOTH}/qtdProc=0", "qtdProc"),
    Made("sum.positive", ASK, "solicitacaoSP-SADT/procedimentosSolicitados/quantidadeSolicitada=1", "solicitacaoSP-SADT/procedimentosSolicitados/quantidadeSolicitada=0", "quantidadeSolicitada"),
    Made("sum.positive", ASK, "solicitacaoInternacao/dadosInternacao/qtDiariasSolicitadas=1", "solicitacaoInternacao/dadosInternacao/qtDiariasSolicitadas=0", "qtDiariasSolicitadas"),
    Made("sum.positive", ANNEX, f"{RADIO}/nrDias=1", f"{RADIO}/nrDias=0", "nrDias"),
    Made("sum.cycle", ANNEX, f"{QUIMIO}/numeroCiclos=6 {QUIMIO}/cicloAtual=6", f"{QUIMIO}/cicloAtual=7", "cicloAtual"),
    Made("sum.dose", ANNEX, f"{RADIO}/doseCampo=2 {RADIO}/doseTotal=50", f"{RADIO}/doseCampo=60", "doseCampo"),
    Made("date.admission", ASK, "solicitacaoInternacao/dataSolicitacao=2026-11-01", "solicitacaoInternacao/dadosHospitalSolicitado/dataSugeridaInternacao=2026-10-01", "dataSugeridaInternacao"),
    Made("date.asked", ASK, "solicitacaoSP-SADT/dataSolicitacao=2026-11-01", "solicitacaoSP-SADT/dataSolicitacao=2026-12-01", "dataSolicitacao"),
    Made("date.asked", ANNEX, f"{OPME}/cabecalhoAnexo/dataSolicitacao=2026-11-01", f"{OPME}/cabecalhoAnexo/dataSolicitacao=2026-12-01", "dataSolicitacao"),
    Made("date.begin", ANNEX, f"{RADIO}/dtPrevistaInicio=2026-11-20", f"{RADIO}/dtPrevistaInicio=2026-10-20", "dtPrevistaInicio"),
    Made("date.begin", ANNEX, f"{QUIMIO}/drogasSolicitadas/drogaSolicitada/dataProvavel=2026-11-20", f"{QUIMIO}/drogasSolicitadas/drogaSolicitada/dataProvavel=2026-10-20", "dataProvavel"),
    Made("date.diagnosis", ANNEX, f"{QUIMIO}/{DIAG}/dataDiagnostico=2026-11-01", f"{QUIMIO}/{DIAG}/dataDiagnostico=2026-11-19", "dataDiagnostico"),
    Made("date.finished", LOT, f"{DENTAL}/dataTerminoTrat=2026-11-10", f"{DENTAL}/dataTerminoTrat=2026-11-09", "dataRealizacao"),
    Made("date.issued", LOT, f"{FEE}/dataEmissaoGuia=2026-11-10", f"{FEE}/dataEmissaoGuia=2026-11-09", "dataExecucao"),
    Made("date.issued", LOT, f"{FEE}/dataEmissaoGuia=2026-11-10", f"{FEE}/dataEmissaoGuia=2026-12-09", "dataEmissaoGuia"),
    Made("date.requested", LOT, f"{SADT}/dadosSolicitacao/dataSolicitacao=2026-11-01 {SADT}/{SI}/sequencialItem=1", f"{SADT}/dadosSolicitacao/dataSolicitacao=2026-11-11", "dataExecucao"),
    Made("duplicate.cid", LOT, f"{STAY}/dadosSaidaInternacao/diagnostico[1]=J189 {STAY}/dadosSaidaInternacao/diagnostico[2]=J18", f"{STAY}/dadosSaidaInternacao/diagnostico[2]=J189", "diagnostico[2]"),
    Made("duplicate.declaration", LOT, f"{STAY}/dadosInternacao/declaracoes[1]/declaracaoNascido=1 {STAY}/dadosInternacao/declaracoes[2]/declaracaoNascido=2", f"{STAY}/dadosInternacao/declaracoes[2]/declaracaoNascido=1", "declaracoes[2]/declaracaoNascido"),
    Made("duplicate.degree", LOT, f"{TEAM}[1]/grauPart=00 {TEAM}[2]/grauPart=01", f"{TEAM}[2]/grauPart=00", "equipeSadt[2]/grauPart"),
    Made("duplicate.professional", LOT, f"{TEAM}[1]/codProfissional/cpfContratado=52998224725 {TEAM}[2]/codProfissional/cpfContratado=12345678909", f"{TEAM}[2]/codProfissional/cpfContratado=52998224725", "equipeSadt[2]/codProfissional/cpfContratado"),
    Made("duplicate.drug", ANNEX, f"{QUIMIO}/drogasSolicitadas/drogaSolicitada[1]/qtDoses=1 {QUIMIO}/drogasSolicitadas/drogaSolicitada[2]/dataProvavel=2026-11-12", f"{QUIMIO}/drogasSolicitadas/drogaSolicitada[2]/dataProvavel=2026-11-10", "drogaSolicitada[2]/dataProvavel"),
    Made("duplicate.material", ANNEX, f"{OPME}/opmeSolicitadas/opmeSolicitada[1]/codigoRefFabricante=a {OPME}/opmeSolicitadas/opmeSolicitada[2]/codigoRefFabricante=b", f"{OPME}/opmeSolicitadas/opmeSolicitada[2]/codigoRefFabricante=a", "opmeSolicitada[2]/codigoRefFabricante"),
    Made("duplicate.tooth", ANNEX, f"{INITIAL}/ct_situacaoInicial/situacaoClinica/dentes[1]/elementoDentario=11 {INITIAL}/ct_situacaoInicial/situacaoClinica/dentes[2]/elementoDentario=12", f"{INITIAL}/ct_situacaoInicial/situacaoClinica/dentes[2]/elementoDentario=11", "dentes[2]/elementoDentario"),
    Made("duplicate.operator-guide", LOT, f"{DENTAL}[1]/numeroGuiaOperadora=1 {DENTAL}[2]/numeroGuiaOperadora=2", f"{DENTAL}[2]/numeroGuiaOperadora=1", "guiaOdonto[2]/numeroGuiaOperadora"),
    Made("duplicate.requested", ASK, "solicitacaoSP-SADT/procedimentosSolicitados[1]/procedimento/codigoProcedimento=10101012 solicitacaoSP-SADT/procedimentosSolicitados[2]/procedimento/codigoProcedimento=10101039", "solicitacaoSP-SADT/procedimentosSolicitados[2]/procedimento/codigoProcedimento=10101012", "procedimentosSolicitados[2]/procedimento/codigoProcedimento"),
    Made("sum.statement", "DEMONSTRATIVO_ANALISE_CONTA", f"{ROW}/valorInformadoGuia=1 {ROW}/detalhesGuia/valorInformado=1", f"{ROW}/valorInformadoGuia=2", "valorInformadoGuia"),
    Made("sum.statement", "DEMONSTRATIVO_PAGAMENTO", f"{DAY}/totaisLiquidosPorData/liquidoPorData=1 {DAY}/totaisLiquidosPorData/totalDebitosPorData=1", f"{DAY}/totaisLiquidosPorData/liquidoPorData=2", "liquidoPorData"),
    Made("sum.statement", "DEMONSTRATIVO_ODONTOLOGIA", "demonstrativoPagamentoOdonto/valorRecebidoDemonstrativo=1", "demonstrativoPagamentoOdonto/totalDebitosDemonstativo=2", "totalDebitosDemonstativo"),
    Made("sum.glosa", "DEMONSTRATIVO_ANALISE_CONTA", f"{ROW}/detalhesGuia/relacaoGlosa/valorGlosa=1 {ROW}/detalhesGuia/valorInformado=2", f"{ROW}/detalhesGuia/relacaoGlosa/valorGlosa=5", "valorLiberado"),
    Made("date.period", "DEMONSTRATIVO_ANALISE_CONTA", f"{ROW}/dataInicioFat=2026-10-01 {ROW}/dataFimFat=2026-10-02", f"{ROW}/dataFimFat=2026-09-01", "dataFimFat"),
    Made("sum.status", "SITUACAO_PROTOCOLO", "situacaoDoProtocolo/lote/detalheLote/guiasTISS/guiasMedicas/guias/vlInformadoGuia/valorLiberado=1", "situacaoDoProtocolo/lote/detalheLote/valorTotalLote/valorLiberado=2", "valorTotalLote/valorLiberado"),
    Made("table.refused", "RESPOSTA_RECURSO_GLOSA", f"{ANSWER}/respostaGuia/recursoGuiaAcatado=S", f"{ANSWER}/respostaGuia/recursoGuiaAcatado=N", "justificativaOPSnaoAcatadoGuia"),
]  # fmt: skip
